"""Errors that a user can mend: bad input, a damaged file, a missing package, a device that stops.

Every error that this project raises on purpose is one of these, or an ``OSError`` where a file or folder
is not there. Any other exception is a fault of the project's own.
"""


class SeedloomError(ValueError):
    """Something a user can mend; the message says what is wrong and, where that is known, how to mend it."""


class InputError(SeedloomError):
    """An argument, option or tensor is out of range, of the wrong shape, or contradicts another."""


class CheckpointError(SeedloomError):
    """A model's folder, or a file in it, is damaged, incomplete, or of a kind that is not supported."""


class DependencyError(SeedloomError):
    """A package, program or data set that a task needs is not installed, or does not run."""


class DeviceError(SeedloomError):
    """A device stops, or cannot do what is asked of it."""
