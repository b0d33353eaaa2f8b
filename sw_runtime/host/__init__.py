"""Products on the host, or on its GPU, with weights that stay packed."""
