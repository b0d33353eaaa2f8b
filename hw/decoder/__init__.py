"""A decoder between its products: the vector unit and its parts."""
