"""Seeded faults: requests, right and wrong, and two products find every one of them."""

from pathlib import Path
from random import Random

import torch

from formats.board_requests import MAXIMUM_WORDS, MOST_ROUNDED_WORDS, Opcode, Status
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.board.transport import BoardTransport
from sw_runtime.device.driver import Driver
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.simulated_board import SimulatedChannel
from tests.hw.board.board_model import BoardModel
from tests.hw.board.mutants import MUTANTS, SMALL, build_mutants, open_mutant
from tests.hw.board.traffic import right_request, wrong_request
from tests.hw.mutant_tests import MutantTests
from tests.sw_runtime.device.matrices import random_matrix

SIZE = SMALL.memory.size_bytes
REFUSED = (
    ((0, 9, 1, 1, 0, 0, 0), Status.BAD_ARGUMENT),
    ((0, 1, 201, 1, 0, 0, 0), Status.BAD_ARGUMENT),
    ((0, 1, (1 << 16) + 1, 1, 0, 0, 0), Status.BAD_ARGUMENT),
    ((0, 1, 1, 3, 0, 0, 0), Status.BAD_ARGUMENT),
    ((0, 8, 64, 1, 0, SIZE - 1532, 0), Status.BAD_ADDRESS),
    ((0, 8, 64, 1, SIZE - 124, 0, 0), Status.BAD_ADDRESS),
    ((0, 1, 64, 1, 0, 0, SIZE - 508), Status.BAD_ADDRESS),
    ((0, 1, 64, 1, 0, 0, 2 * SIZE), Status.BAD_ADDRESS),
)
"""Products, each a little too much: 1,536 bytes of weights, 128 of activations, 512 of results."""


class TestBoard(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        """Against the model and the golden datapath, with pauses."""
        random, model, board = Random(7), BoardModel(SMALL), open_mutant(library, number, share=0.6)
        device = Driver("mutant", BoardTransport(SimulatedChannel(board), SMALL.engine, SIZE), SMALL.engine)
        try:
            data = [random.getrandbits(32) for _ in range(MAXIMUM_WORDS - 2)]
            requests = [[Opcode.WRITE, 4096, *data], [Opcode.READ, 4096, MAXIMUM_WORDS - 1]]
            requests += [[Opcode.READ, 0, MAXIMUM_WORDS], [Opcode.READ, SIZE - 8, 3]]
            requests += [[Opcode.WRITE, SIZE - 8, 1, 2], [Opcode.READ, SIZE - 8, 2], [Opcode.CHECKSUM, SIZE - 4, 1]]
            requests += [[Opcode.WRITE, 0, 0xFFFFFF, 0, 0xFFFFFE, 0, 3, 0, 5, 0], [Opcode.RESULTS, 0, 8, 1]]
            requests += [[Opcode.RESULTS, 0, MOST_ROUNDED_WORDS, 3], [Opcode.RESULTS, 0, MAXIMUM_WORDS, 3]]
            requests += [[Opcode.CHECKSUM, 0, 0], [Opcode.CHECKSUM, 0, (1 << 31) + 1]]
            requests += [random.choice((right_request, wrong_request))(random, SIZE) for _ in range(200)]
            products = [[Opcode.PRODUCT, *arguments] for arguments, _ in REFUSED]
            asked = [*requests, *products, [Opcode.COUNTERS]]
            answers = board.exchange(asked, MAXIMUM_WORDS * len(asked), 400_000)
            assert answers[: len(requests)] == [model.answer(request) for request in requests]
            refused = [answer[0] >> 8 for answer in answers[len(requests) : -1]]
            assert refused == [status for _, status in REFUSED]
            assert answers[-1][-1] == 0, "no product was done"
            for rows, columns in ((22, 37), (200, 20)):  # the second one's results are written between reads
                matrix, activations = random_matrix("scaled-3bit", rows, columns), random_activations(3, columns, 16)
                assert torch.equal(device.matvec(device.load(matrix), activations), matvec(matrix, activations))
            assert board.broken_rules() == {}
        finally:
            device.close()
