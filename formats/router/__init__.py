"""The router's wire format: commands, answers, what is legal, streams, and how numbers become keys."""
