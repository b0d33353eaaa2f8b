"""Models of transformers whose linear layers are stored as seeds, on the host or on a device."""
