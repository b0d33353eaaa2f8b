"""The host's side of a board: where things lie in its memory, and requests for what a driver asks."""
