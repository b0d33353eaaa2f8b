"""States of the sequencer, a module a kind of command; one begins in the state of its name, and NEXT follows it."""
