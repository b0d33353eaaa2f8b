"""What each paper's method does on a real model: one module a paper, each with ``measure(device)``."""
