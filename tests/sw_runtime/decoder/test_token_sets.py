"""LazyLLM's set by a router's answer, then the programs of a set: the prompt's next token is that of the method."""

import numpy as np
import torch

from formats.router.descriptor import RouterParameters
from sw_runtime.decoder.compiler import compile_program, draft_program, set_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.token_sets import LEFT_OUT, SET, read_prompt
from sw_runtime.decoder.vectors import Integers
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters
from tests.sw_runtime.decoder.models import log_probabilities, parts_of, tiny_model

KV_BITS, LAYERS, RATE = 16, 1, 0.6
PROMPT = torch.randint(120, (20,), generator=torch.Generator().manual_seed(4))


def test_programs_over_the_routers_set_predict_what_the_method_does() -> None:
    model = tiny_model("llama")
    parts = parts_of(model)
    router = EmulatedDevice(router=RouterParameters(keys=64, slots=32))
    with torch.no_grad():
        sets = RouterTokenSets(router, len(parts.layers))
        step = LazyLLM(Decoder.of(model), LazyLLMParameters({LAYERS - 1: RATE}), sets).step(PROMPT)
        embeddings = model.get_input_embeddings()(PROMPT).numpy()
        dense = model(PROMPT[None]).logits[0, -1].double().log_softmax(dim=-1)
    kept = step.attended[LAYERS].tolist()
    assert sum(kept) == 8
    programs = {SET: set_program(parts, KV_BITS, LAYERS), LEFT_OUT: draft_program(parts, KV_BITS, LAYERS)}
    decoder = EmulatedDecoder(compile_program(parts, KV_BITS), parts.matrices, programs)

    def take(tokens: slice, answers: int, program: str, row: int) -> Integers:
        return decoder.take(embeddings[tokens], answers, program, row)

    found = log_probabilities(torch.from_numpy(read_prompt(take, kept)[0]), programs[SET])
    expected = step.logits.double().log_softmax(dim=-1)
    divergence = float((expected.exp() * (expected - found)).sum())
    assert divergence < 1e-5 < 0.1 * float((dense.exp() * (dense - found)).sum())
    assert np.isfinite(divergence)
