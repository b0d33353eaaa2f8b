"""A compressed folder as one page to read: sizes, losses, layers, boards, text."""
