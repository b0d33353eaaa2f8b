"""The token router in Amaranth: one unit that selects, filters and compacts tokens by integer keys."""
