"""Models compiled into programs of ``formats.decoder``."""
