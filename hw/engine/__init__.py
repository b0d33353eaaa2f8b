"""The engine: memory beats in, exact sums of products out."""
