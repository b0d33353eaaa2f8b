"""A paper's claim, what is found here for the same quantity, and the rule that compares the two."""

from dataclasses import dataclass
from typing import Literal

from formats.errors import InputError

Mark = Literal["as reported", "second-hand"]
"""How a paper's figure is known: read in the paper or its code, or in another's account of it. A figure that is only
recollected, or computed here, is never called the paper's."""

Verdict = Literal["reproduced", "direction only", "mechanism only", "not reproduced"]


@dataclass(frozen=True)
class Claim:
    """What a paper says, as a quantity that can be measured.

    Parameters
    ----------
    statement
        The claim in a sentence.
    source
        Section or table of the paper.
    mark
        How it is known.
    quantity
        What is compared, with its unit: theirs and ours are both of it.
    theirs
        The paper's figure, or the range that it gives; None where no source at hand has one.
    scale
        Model, data and machine of the paper's figure.
    neutral
        The value at which there would be nothing to claim.
    higher
        Whether more is better.
    words
        How the paper puts its figure, where that is no plain number.
    tolerance
        Share of the effect, theirs less ``neutral``, that may be missing where a claim counts as reproduced.
    """

    statement: str
    source: str
    mark: Mark
    quantity: str
    theirs: float | tuple[float, float] | None
    scale: str
    neutral: float
    higher: bool = True
    words: str = ""
    tolerance: float = 0.1

    @property
    def least(self) -> float | None:
        """What ours must reach: theirs, or the weaker end of its range, less the tolerance."""
        if self.theirs is None:
            return None
        ends = self.theirs if isinstance(self.theirs, tuple) else (self.theirs,)
        weakest = min(ends) if self.higher else max(ends)
        return weakest - self.tolerance * (weakest - self.neutral)

    def exceeds(self, value: float, bound: float) -> bool:
        """Whether a value is better than a bound."""
        return value > bound if self.higher else value < bound


@dataclass(frozen=True)
class Finding:
    """What a demonstration found for a claim.

    Parameters
    ----------
    ours
        The claim's quantity as measured here; None where that is not possible.
    scale
        Model, data and machine of ours.
    ran
        What computed ours: the simulated hardware, its emulation, the host.
    interval
        Ends of a 95 % interval of ours, where it is a mean over samples.
    stand_in
        Why ours cannot settle the claim, though of the same quantity: what stands in for the paper's model, data or
        format. Empty where nothing does.
    instead
        What was measured where the quantity cannot be, with its figures.

    Raises
    ------
    InputError
        If there is neither ours nor something instead, or both.
    """

    ours: float | None
    scale: str
    ran: str
    interval: tuple[float, float] | None = None
    stand_in: str = ""
    instead: str = ""

    def __post_init__(self) -> None:
        if (self.ours is None) != bool(self.instead):
            raise InputError("a finding has a value, or says what was measured instead; give one of the two")


def verdict(claim: Claim, finding: Finding) -> Verdict:
    """How far a claim holds here.

    *Mechanism only*: the method runs, but the claim's quantity cannot be measured here. *Not reproduced*: ours, or an
    end of its interval, is no better than ``neutral``. *Reproduced*: ours is theirs or better, within the tolerance,
    and nothing stands in. *Direction only*: everything else.
    """
    if finding.ours is None:
        return "mechanism only"
    ends = finding.interval or (finding.ours, finding.ours)
    if not all(claim.exceeds(end, claim.neutral) for end in ends):
        return "not reproduced"
    least = claim.least
    if least is None or finding.stand_in or claim.exceeds(least, finding.ours):
        return "direction only"
    return "reproduced"
