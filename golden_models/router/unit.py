"""The router as its users meet it: commands and data in, answers out.

The hardware is compared with this unit word for word, its busy cycles excepted. What is left open
by the primitives is fixed here:

* ``count`` is the members of the bitmap for TOPK, FILTER, RANGE, GATHER, PUTBM and RATIO; rows in
  which a key passed for FIRST; accepted drafts for PREFIX; values for SEGLL; hits for LRU; n for
  LOAD and READKEYS; else 0.
* Payload, if asked for: a bitmap, or with GATHER_LIST its indices; two words (low first) for each
  key of READKEYS, row of FIRST, value of SEGLL and for greedy PREFIX's next token; one word an
  expert for LRU; INFO. NOP, LOAD, PUTBM, stochastic PREFIX and FLUSH have none.
* Data that end early count as followed by zeros, data that go on are drained; both are noticed in
  beats (see ``stream``). LRU does nothing, and answers nothing but the trailer, unless its status
  is OK.
* SEGLL stops at the first bad header (0, above 4095, or more than the elements left). Values before
  it are written and answered; the rest is drained.
* Sticky bits tell of this command alone.
"""

import torch
from torch import Tensor

from formats.router.answer import Answer
from formats.router.descriptor import Command, Flag, Opcode, RouterParameters, Status
from formats.router.legality import beats_due, elements_a_beat, elements_due, refusal
from formats.router.stream import check_data, to_beats
from golden_models.router.operations import OPERATIONS, Memory


class RouterUnit:
    """A token router.

    Parameters
    ----------
    parameters
        Build parameters; lanes and digits do not change results.

    Attributes
    ----------
    memory
        Keys, bitmaps and expert cache.
    """

    def __init__(self, parameters: RouterParameters | None = None) -> None:
        self.parameters = parameters or RouterParameters()
        self.memory = Memory(self.parameters)

    def execute(self, command: Command, data: bytes = b"", aborted: bool = False) -> Answer:
        """Run a command to its end.

        Parameters
        ----------
        command
            Any 160 bits; illegal ones are answered with their status and have no effect.
        data
            The packet that follows a command with the DATA flag.
        aborted
            The packet was ended by the framer, not by its sender.

        Raises
        ------
        InputError
            If there are data without the DATA flag, or the flag without data: no stream can carry that.
        """
        check_data(command, data)
        status = refusal(command, self.parameters)
        if status != Status.OK:
            return Answer((), status, command.tag, command.opcode, 0, 0)
        beats, due = to_beats(data, command, self.parameters), beats_due(command, self.parameters)
        status = Status.ABORT if aborted else Status.OK
        if len(beats) != due:
            status = Status.SHORT if len(beats) < due else Status.LONG
        if command.opcode == Opcode.LRU and status != Status.OK:
            return Answer((), status, command.tag, command.opcode, 0, 0)
        result = OPERATIONS[Opcode(command.opcode)](self.memory, command, self._elements(command, beats, due))
        if status == Status.OK and result.bad_data:
            status = Status.BAD_DATA
        payload = tuple(result.payload) if command.has(Flag.OUT) else ()
        return Answer(payload, status, command.tag, command.opcode, result.sticky, result.count)

    def _elements(self, command: Command, beats: list[list[int]], due: int) -> Tensor:
        """The raw elements due, int64 [elements]; those of missing beats are 0."""
        missing = [[0] * elements_a_beat(command, self.parameters)] * (due - len(beats))
        elements = elements_due(command)
        row = command.row_elements if command.opcode == Opcode.FIRST else elements
        rows = elements // row if elements else 0
        stream = torch.tensor(beats[:due] + missing, dtype=torch.int64)
        return stream.view(rows, -1)[:, :row].flatten() if rows else stream
