"""Small combinational and iterative arithmetic that several primitives share."""
