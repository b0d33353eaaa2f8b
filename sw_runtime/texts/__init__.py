"""Texts, tokens, and the models and data that install as packages."""
