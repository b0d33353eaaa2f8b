"""Several papers at a time, each in a process of its own."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm


def side_by_side(measure: Callable[[str], object], names: Sequence[str], jobs: int, folder: Path) -> None:
    """Measure papers, so many at a time, each on one thread of PyTorch.

    What a paper says meanwhile goes to ``NAME.log``: bars of several processes would write over each other.

    Parameters
    ----------
    measure
        Takes a paper's name, and keeps what it finds; another process must be able to import it.
    names
        Papers, in the order in which they begin.
    jobs
        Processes at a time.
    folder
        Of the logs.

    Raises
    ------
    Exception
        What a paper raised. No other begins then, and those that run are finished first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A process a paper gives its memory back. It is not forked: PyTorch's threads would not come along.
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        begun = {pool.submit(_logged, measure, name, folder / f"{name}.log"): name for name in names}
        try:
            for future in tqdm(as_completed(begun), desc="papers", unit="paper", total=len(begun)):
                future.result()
                tqdm.write(f"{begun[future]} is measured")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _logged(measure: Callable[[str], object], name: str, log: Path) -> None:
    torch.set_num_threads(1)
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
        measure(name)
