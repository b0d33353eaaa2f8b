"""What a decoder's units are built for, beside a board's engine and memory."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DecoderParameters:
    """Sizes of the units; a program that needs larger ones must not be given to them.

    Parameters
    ----------
    vector_words
        Words of the vector memory, for each token of the engine's batch: of all slots of a program, and of its longest
        bias.
    parts
        Heads of a vector, or heads of keys and of values together, whichever are more.
    queries
        Query heads that share a head of keys and values: exactly.
    width
        Most elements of a head: a power of two, at least 8.
    positions
        Longest context, below 2^16.
    """

    vector_words: int
    parts: int
    queries: int
    width: int
    positions: int
