"""Where rows are searched: in threads of this process, or on other machines (``cluster``)."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from sw_runtime.fit.row_blocks import KeptBlocks, NothingKept, RowBlock, RowJob, SearchedMatrix, joined


class Workers(Protocol):
    """What runs row searches, and keeps what they find."""

    @property
    def groups(self) -> int:
        """Groups of layers that are worth searching side by side."""

    @property
    def kept(self) -> KeptBlocks:
        """Where finished blocks of rows are kept."""

    def keeping(self, kept: KeptBlocks) -> "Workers":
        """The same, which keep finished blocks there."""

    def shared(self, groups: int) -> "Workers":
        """What each of so many groups searched side by side may use."""

    def search(self, job: RowJob) -> SearchedMatrix:
        """The matrix that the job's search finds, the same words whoever searches."""


@dataclass(frozen=True)
class Threads:
    """This process."""

    count: int
    kept: KeptBlocks = field(default_factory=NothingKept, compare=False)

    @property
    def groups(self) -> int:
        """A group a thread."""
        return self.count

    def keeping(self, kept: KeptBlocks) -> "Threads":
        """As many threads."""
        return replace(self, kept=kept)

    def shared(self, groups: int) -> "Threads":
        """An equal share, at least one thread."""
        return replace(self, count=max(1, self.count // max(1, groups)))

    def search(self, job: RowJob) -> SearchedMatrix:
        """Block after block, all threads in each."""
        return joined([job.finished(block) or self._searched(job, block) for block in job.blocks(self.count)])

    def _searched(self, job: RowJob, block: RowBlock) -> SearchedMatrix:
        found = job.search.search(block.weights, block.scales, job.costs, self.count, job.progress)
        job.keep(block, found)
        return found
