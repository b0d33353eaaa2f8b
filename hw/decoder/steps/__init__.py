"""States of the sequencer, a module a kind of command. Each command begins in the state of its name and ends in FETCH."""
