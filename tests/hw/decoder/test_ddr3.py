"""A decoder over DDR3 memory: more reads are under way there, of rows and of what is read beside them."""

from contextlib import closing

from hw.board.boards import BOARDS
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.simulated import SimulatedDecoder
from tests.hw.decoder.decoders import expected, pairs, program_of, subject

TOKENS, BEST = 6, 4


def test_tokens_on_the_orangecrab_are_those_of_the_emulated_decoder() -> None:
    program, (parts, embeddings) = program_of("llama", kv_bits=8), subject("llama")
    with closing(SimulatedDecoder(Image.of(program, parts.matrices, BOARDS["orangecrab"]))) as decoder:
        answers = [pairs(decoder.take(embedding[None], BEST).best) for embedding in embeddings[:TOKENS]]
    assert answers == expected("llama", program, BEST)[:TOKENS]
