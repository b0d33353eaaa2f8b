"""Serial ports: bytes to and from a device."""

import contextlib
import errno
import os
import select
from pathlib import Path
from typing import Protocol

from formats.errors import DependencyError, DeviceError

WANTED_LATENCY_MS = 1
LATENCY_FOLDER = Path("/sys/bus/usb-serial/devices")
REMEDY = "is the board connected, is this its port, and may you use it?"


class Line(Protocol):
    """Carries bytes both ways. Every call raises DeviceError, in one line, when the line is gone.

    ``name`` is what messages call it.
    """

    name: str
    seconds_an_octet: float

    def read(self, seconds: float) -> bytes:
        """What has come; waits for a first byte as long as this."""

    def write(self, octets: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Give the port back."""


class SerialPort:
    """A serial port of this machine.

    An FTDI chip keeps what comes for up to 16 ms unless asked otherwise, and every exchange waits for that;
    it is asked to keep nothing for longer than 1 ms.

    Parameters
    ----------
    path
        Of the port, such as ``/dev/ttyUSB0``.
    baud
        Bits a second; 10 make a byte.

    Raises
    ------
    DependencyError
        If pyserial is not installed.
    DeviceError
        If there is no such port, it is taken, or it does not run at this rate.
    """

    def __init__(self, path: str, baud: int) -> None:
        try:
            import serial
        except ModuleNotFoundError:
            raise DependencyError("a serial port needs pyserial: pip install 'seedloom[board]'") from None
        self.name, self._unsent, self.seconds_an_octet = path, b"", 10 / baud
        try:
            self._port = serial.Serial(path, baud, timeout=0, exclusive=True)
        except (OSError, ValueError, OverflowError) as error:  # of a rate that is no integer of the system's
            raise DeviceError(
                f"{path or 'a port without a name'} cannot be opened at {baud} baud: {_reason(error)}; {REMEDY}"
            ) from None
        with contextlib.suppress(OSError, ValueError, NotImplementedError, AttributeError):
            self._port.set_low_latency_mode(True)  # its driver sets the chip's timer to 1 ms

    @property
    def latency_ms(self) -> int | None:
        """For how long the port's chip keeps bytes; None where it has no such timer."""
        timer = LATENCY_FOLDER / Path(self.name).resolve().name / "latency_timer"
        return int(timer.read_text(encoding="utf-8")) if timer.exists() else None

    @property
    def advice(self) -> str:
        """How to make a slow latency timer quick; empty where it is."""
        latency = self.latency_ms
        if latency is None or latency <= WANTED_LATENCY_MS:
            return ""
        timer = LATENCY_FOLDER / Path(self.name).resolve().name / "latency_timer"
        return f"{self.name} keeps bytes for {latency} ms and slows every exchange: echo 1 | sudo tee {timer}"

    def read(self, seconds: float) -> bytes:
        """What has come; waits for a first byte as long as this, and sends what could not be sent before.

        Raises
        ------
        DeviceError
            If the port is gone.
        """
        descriptor = self._descriptor()
        try:
            ready, writable, _ = select.select([descriptor], [descriptor] if self._unsent else [], [], seconds)
            if writable:
                self._send(descriptor)
            octets = os.read(descriptor, 1 << 16) if ready else b""
        except OSError as error:
            raise self._gone(error) from None
        if ready and not octets:
            raise self._gone(OSError(errno.EIO, os.strerror(errno.EIO)))
        return octets

    def write(self, octets: bytes) -> None:
        """Send bytes; never waits, so that a device which waits for its own to be read is no deadlock.

        Raises
        ------
        DeviceError
            If the port is gone.
        """
        self._unsent += octets
        try:
            self._send(self._descriptor())
        except OSError as error:
            raise self._gone(error) from None

    def _send(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[os.write(descriptor, self._unsent) :]

    def _descriptor(self) -> int:
        if not self._port.is_open:
            raise DeviceError(f"{self.name} is closed: open the device again")
        return int(self._port.fileno())

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._port.close()

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(f"{self.name} is gone ({_reason(error)}): plug the cable in and open the device again")


def _reason(error: Exception) -> str:
    """The system's words alone."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else str(error)
