"""Products on the host with weights that stay packed."""
