"""What the router remembers: keys, bitmaps, the expert cache, and the walks over their rows."""
