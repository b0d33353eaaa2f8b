"""Errors that a user can mend: bad input, a damaged file, a missing part, a device that stops.

Every error that this project raises on purpose is one of these, or an ``OSError`` where a file or folder
is not there. Any other exception is a fault of the project's own.
"""


class SeedloomError(ValueError):
    """Something a user can mend; the message says what is wrong, and how to mend it where that is known."""


class InputError(SeedloomError):
    """An argument, option or tensor is out of range, of the wrong shape, or contradicts another."""


class CheckpointError(SeedloomError):
    """A model's folder, or a file in it, is damaged, incomplete or of a kind that is not supported."""


class DeviceError(SeedloomError, RuntimeError):
    """A device refuses a command, or stops."""


class MissingPartError(SeedloomError, ImportError):
    """A package, program or data set that a task needs is not installed, or does not run."""
