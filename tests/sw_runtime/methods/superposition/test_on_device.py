import torch

from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder
from golden_models.superposition.forkjoin import SuperpositionParameters, forkjoin_mask
from golden_models.superposition.prompting import Paths, read_documents, read_preamble, read_queries
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.superposition.on_device import kept_columns, path_weights
from tests.models import tiny_llama


def read_paths() -> Paths:
    """A preamble of 3 tokens, documents of 2, 4 and 3, and a query of 2."""
    decoder = Decoder.from_transformers(tiny_llama())
    preamble = [read_preamble(decoder, torch.tensor([1, 2, 3]))]
    documents = read_documents(decoder, preamble, [torch.arange(2), torch.arange(4), torch.arange(3)])
    return read_queries(decoder, preamble, documents, torch.tensor([7, 8]))


def test_weights_are_the_golden_ones_in_steps_of_the_routers_numbers() -> None:
    paths, device = read_paths(), EmulatedDevice(router=RouterParameters())
    for weight in (0.0, 0.5, 1.0):
        ours = path_weights(device, paths.documents, paths.queries, weight)
        expected = paths.weights(SuperpositionParameters(document_weight=weight)).double()
        torch.testing.assert_close(ours, expected, atol=2**-15, rtol=0)


def test_columns_of_dropped_paths_are_left_out() -> None:
    paths, device = read_paths(), EmulatedDevice(router=RouterParameters())
    columns = kept_columns(device, 3, paths.documents, paths.queries, torch.tensor([False, True, False]))
    [row] = forkjoin_mask(3, [2, 4, 3], 2, 1)[-1:]
    dropped = torch.tensor([3, 4, 5, 6, 13, 14, 15, 16, 17])
    expected = row[:-1].clone()
    expected[dropped] = False
    assert torch.equal(columns, expected)
