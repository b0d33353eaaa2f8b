"""One component a primitive: load, top-k, filter, first, gather, prefix, segments, ratio, expert cache."""
