"""The serial link: whole checked requests out of a line's bytes, and responses into them."""
