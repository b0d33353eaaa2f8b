"""Devices that multiply compressed matrices by vectors, exactly and alike."""
