"""The exact search for block words: C, and torch where there is no compiler."""
