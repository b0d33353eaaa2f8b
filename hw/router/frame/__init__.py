"""Around the primitives: commands in, data in, answers out."""
