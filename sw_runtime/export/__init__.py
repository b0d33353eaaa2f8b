"""Ways back: a compressed folder as an ordinary model, for whatever else takes one."""
