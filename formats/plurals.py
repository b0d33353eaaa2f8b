"""A number and its noun, as messages say them."""


def number_of(number: int, noun: str) -> str:
    """Such as "1 lane", "2 lanes", "4,096 lanes"; ``noun`` is the singular of one whose plural ends with s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
