"""The token router as tensors see it: floats are turned into integers here, and answers into masks.

Functions take a device that was opened with a router. Each call brings its own data and is over when
it returns; it uses the key memory from the start and the first bitmaps, so commands of one's own
that keep something between calls belong into other places. Only the cache of experts remembers.

``selection`` keeps the best tokens or those between bounds, ``rows`` finds an expert or an exit a
row, ``masks`` combines sets of tokens, ``drafts`` accepts drafted tokens, ``paths`` scores documents
and ``experts`` keeps a cache of them.
"""
