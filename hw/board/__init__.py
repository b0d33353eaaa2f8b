"""Boards: memory and engine behind requests and responses."""
