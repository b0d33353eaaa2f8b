"""Superposition prompting (arXiv 2404.06910): documents read side by side; a device weighs and prunes their paths."""
