"""Warnings of other packages that seedloom hides once it is imported: known ones, none of which a user can mend."""

import logging
from typing import NamedTuple


class ForeignWarning(NamedTuple):
    """A warning: its logger, a part of its message, and why nobody need see it."""

    logger: str
    text: str
    reason: str

    def is_not(self, record: logging.LogRecord) -> bool:
        """Whether a record is another's."""
        return self.text not in record.getMessage()


KNOWN = (
    ForeignWarning(
        "torchao", "Failed to load", "torchao brings kernels for several Pythons and GPUs, and tries all of them"
    ),
    ForeignWarning(
        "torch.utils._pytree",
        "register_constant() on Enum subclasses is deprecated",
        "torchao registers its own enums with torch; only torchao can stop it",
    ),
)


def hide() -> None:
    """Hide the known warnings in this process; everything else that these packages log is shown."""
    for known in KNOWN:
        logging.getLogger(known.logger).addFilter(known.is_not)
