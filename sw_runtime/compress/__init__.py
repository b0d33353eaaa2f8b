"""Weights to seeds: the exact search, what it weighs errors by, and whole model folders."""
