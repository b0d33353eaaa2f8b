"""The trellis search in torch alone, for machines without a C compiler, or with a GPU.

Rows are searched side by side, by the algorithm of ``trellis.c``. Every product and sum is formed in its order and
none is fused, so the words are the kernel's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from formats.trellis import TrellisFormat

GROUP = 16
"""Columns that are committed at once."""

HELD = 12
"""Groups in which survivors may differ; ``trellis_feedback.inc`` has the same."""


@dataclass(frozen=True)
class _Nodes:
    """The survivors at the end of a group, each by the state that it ends in."""

    misses: Tensor  # float32 [rows, states, 16]
    parent: Tensor  # int64 [rows, states], of the group before
    choices: list[Tensor]  # of every column, uint8 [rows, next states]


def encode_rows(
    targets: Tensor,
    column_costs: Tensor,
    response: Tensor | None,
    trellis_format: TrellisFormat,
    device: str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Words and losses of rows: int64 [rows, 2 * groups] and float64 [rows].

    Parameters
    ----------
    targets
        In units of the scale, float32 [rows, groups * 16].
    column_costs
        What a squared miss in each column costs, float32 [groups * 16].
    response
        How a column's miss moves the targets after it, float32 [groups * 16, groups * 16]; None: no feedback.
    """
    search = _Search(targets.to(device), column_costs.to(device), trellis_format)
    losses = search.plainly() if response is None else search.with_feedback(response.to(device))
    return search.words.cpu(), losses.cpu()


class _Search:
    """Rows on their way through the columns; all tensors have the rows first."""

    def __init__(self, targets: Tensor, column_costs: Tensor, trellis_format: TrellisFormat) -> None:
        self.format = trellis_format
        self.targets, self.column_costs = targets.clone(), column_costs
        self.rows, self.groups = len(targets), targets.shape[1] // GROUP
        self.states = 1 << trellis_format.window_bits - trellis_format.fresh(0)  # between groups
        self.row = torch.arange(self.rows, device=targets.device)
        self.table = targets.new_tensor(trellis_format.window_table)
        self.words = torch.zeros(self.rows, 2 * self.groups, dtype=torch.int64, device=targets.device)
        self.cost = targets.new_full((self.rows, self.states), torch.inf)
        self.cost[:, 0] = 0  # the register is 0 before the row
        self.losses = torch.zeros(self.rows, dtype=torch.float64, device=targets.device)

    def plainly(self) -> Tensor:
        """Without feedback: losses, float64 [rows]."""
        choices = []
        for column in range(self.groups * GROUP):
            oldest, _ = self._choose(self.targets[:, column, None], column)
            choices.append(oldest.to(torch.uint8))
            if column % GROUP == GROUP - 1:
                self._settle()
        end = self.cost.argmin(dim=1)
        for group in reversed(range(self.groups)):
            end = self._store(choices[group * GROUP : (group + 1) * GROUP], end, group)
        return self.losses

    def with_feedback(self, response: Tensor) -> Tensor:
        """With feedback in every survivor: losses, float64 [rows]."""
        held: list[_Nodes] = []  # the newest last
        for group in range(self.groups):
            nodes = self._extend(self._targets(held, group, response), group, response)
            best = self.cost.argmin(dim=1)
            if len(held) == HELD:
                self._commit(held, nodes, best, group, response)
                del held[0]
            held.append(nodes)
            self._settle()
        end = self.cost.argmin(dim=1)
        for back, nodes in enumerate(reversed(held)):
            end = self._store(nodes.choices, end, self.groups - 1 - back)
        return self.losses

    def _choose(self, target: Tensor, column: int) -> tuple[Tensor, Tensor]:
        """The cheapest window to every next register: its oldest bits, and what it misses; target [rows, states or 1].

        The costs become those of the next registers.
        """
        importance, fresh = self.column_costs[column], self.format.fresh(column)
        miss = target[:, :, None] - self.table.view(-1, 1 << fresh)
        found = (self.cost * (1 / importance))[:, :, None] + miss * miss
        by_oldest = (self.rows, 1 << self.format.fresh(column + 1), -1)
        found, miss = found.view(by_oldest), miss.view(by_oldest)
        oldest = found.argmin(dim=1, keepdim=True)
        self.cost = found.gather(1, oldest)[:, 0] * importance
        return oldest[:, 0], miss.gather(1, oldest)[:, 0]

    def _window(self, oldest: Tensor, end: Tensor, column: int) -> Tensor:
        """The windows of these oldest bits that leave these registers behind."""
        return oldest.long() << self.format.window_bits - self.format.fresh(column + 1) | end

    def _settle(self) -> None:
        """Move the least cost to the losses."""
        least = self.cost.amin(dim=1)
        self.losses += least
        self.cost = self.cost - least[:, None]

    def _store(self, choices: list[Tensor], end: Tensor, group: int) -> Tensor:
        """Write a group's words, traced back from its end, int64 [rows]; returns the state that it began in."""
        for half in (1, 0):
            word = torch.zeros_like(end)
            for column in reversed(range(8 * half, 8 * half + 8)):
                window = self._window(choices[column][self.row, end], end, column)
                for newest in range(self.format.fresh(column)):  # the oldest bit is lowest in a word
                    word = word << 1 | window >> newest & 1
                end = window >> self.format.fresh(column)
            self.words[:, 2 * group + half] = word
        return end

    def _targets(self, held: list[_Nodes], group: int, response: Tensor) -> Tensor:
        """Every survivor's targets of a group: the row's, and what the misses of its nodes make of them."""
        columns = slice(group * GROUP, (group + 1) * GROUP)
        sums = self.targets[:, None, columns].expand(-1, self.states, -1)
        for back, (nodes, used) in enumerate(zip(held, self._used(held), strict=True), start=group - len(held)):
            before = nodes.parent.gather(1, used) if back > group - len(held) else used
            found, misses = _gather(sums, before), _gather(nodes.misses, used)
            for j in range(GROUP):
                found = found + misses[:, :, j, None] * response[back * GROUP + j, columns]
            sums = torch.zeros_like(nodes.misses).scatter_(1, used[:, :, None].expand(-1, -1, GROUP), found)
        return sums

    def _used(self, held: list[_Nodes]) -> list[Tensor]:
        """The nodes of every group held that survivors come from, int64 [rows, any number]; others fill up."""
        used = [torch.arange(self.states, device=self.row.device).expand(self.rows, -1)] if held else []
        for younger in reversed(held[1:]):
            parents = younger.parent.gather(1, used[0])
            wanted = torch.zeros_like(younger.parent, dtype=torch.uint8).scatter_(1, parents, 1)
            most = int(wanted.sum(dim=1).max())
            used.insert(0, wanted.argsort(dim=1, descending=True, stable=True)[:, :most])
        return used

    def _extend(self, columns: Tensor, group: int, response: Tensor) -> _Nodes:
        """Take all survivors through a group, their targets float32 [rows, states, 16], which their misses replace."""
        choices = []
        origin = torch.arange(self.states, device=self.row.device).expand(self.rows, -1)
        for j, column in enumerate(range(group * GROUP, (group + 1) * GROUP)):
            oldest, misses = self._choose(columns[:, :, j], column)
            start = self._window(oldest, torch.arange(oldest.shape[1], device=self.row.device), column)
            start = start >> self.format.fresh(column)
            answer = response[column, group * GROUP : (group + 1) * GROUP]
            columns = _gather(columns, start) + misses[:, :, None] * answer
            columns[:, :, j] = misses
            origin = origin.gather(1, start)
            choices.append(oldest.to(torch.uint8))
        return _Nodes(columns, origin, choices)

    def _commit(self, held: list[_Nodes], newest: _Nodes, best: Tensor, group: int, response: Tensor) -> None:
        """Commit the oldest group held to the node that the best survivor comes from; drop survivors of others."""
        node = best
        for nodes in (newest, *reversed(held[1:])):
            node = nodes.parent[self.row, node]
        oldest, first = group - HELD, (group + 1) * GROUP
        self._store(held[0].choices, node, oldest)
        misses = held[0].misses[self.row, node]
        for i in range(GROUP):
            self.targets[:, first:] += misses[:, i, None] * response[oldest * GROUP + i, first:]
        kept = torch.zeros_like(newest.parent, dtype=torch.bool).scatter_(1, node[:, None], value=True)
        for nodes in (*held[1:], newest):
            kept = kept.gather(1, nodes.parent)
        self.cost = torch.where(kept, self.cost, torch.inf)


def _gather(columns: Tensor, states: Tensor) -> Tensor:
    """Rows of numbers of chosen states: [rows, states, 16], int64 [rows, n] → [rows, n, 16]."""
    return columns.gather(1, states[:, :, None].expand(-1, -1, GROUP))
