"""Which rows of a matrix answer a vector most: products whose results stay on the device."""

from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, Quota
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, check_status, check_tokens, mask_of, request, values_of


def argmax_product(device: Device, handle: int, activations: Tensor, rows: int) -> int:
    """The row with the largest result, the first one among equal keys: one answer instead of ``rows`` results.

    Parameters
    ----------
    device
        A device with a router.
    handle
        A loaded matrix.
    activations
        int64 [1, columns].
    rows
        Rows of the matrix, at most 2^18.

    Raises
    ------
    InputError
        If the device has no router or refuses handle, vector or number of rows.
    """
    command = Command(Opcode.FIRST, flags=Flag.DATA | Flag.OUT | KeyFormat.S24, n=rows)
    answer = device.route_matvec(handle, activations, command)
    check_status(device, answer)
    return int(values_of(answer)[0]) & ~(1 << 31)  # no bound, so bit 31 says that none was passed


def keep_top_product(device: Device, handle: int, activations: Tensor, rows: int, keep: int) -> Tensor:
    """Mark the rows with the largest results, the first one among equal keys: bool [rows].

    Parameters
    ----------
    device, handle, activations
        As ``argmax_product``.
    rows
        Rows of the matrix, no more than the router holds keys.
    keep
        How many rows to mark; all if there are fewer.

    Raises
    ------
    InputError
        As ``argmax_product``, or if the rows do not fit the router or ``keep`` is negative.
    """
    check_tokens(device, rows)
    if keep < 0:
        raise InputError(f"keep is a number of rows from 0 on, not {keep}")
    command = Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.S24, n=rows)
    check_status(device, device.route_matvec(handle, activations, command))
    return mask_of(ask(device, request(Opcode.TOPK, flags=Quota.KEEP, n=rows, x=min(keep, rows))), rows)
