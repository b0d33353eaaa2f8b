"""Images: a program, its matrices and constants as they lie in a board's memory."""
