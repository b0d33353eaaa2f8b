import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from formats.router.numbers import SQ7_16
from golden_models.decoder import Decoder
from golden_models.router.segments import path_scores
from golden_models.superposition.forkjoin import (
    Placement,
    SuperpositionParameters,
    forkjoin_mask,
    keep_paths,
    path_bias,
    path_positions,
)
from golden_models.superposition.prompting import (
    Paths,
    read_documents,
    read_preamble,
    read_queries,
    respond,
    superpose,
)
from tests.models import tiny_llama


def tokens(*lengths: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(120, (length,), generator=generator) for length in lengths]


PREAMBLE, QUERY, TASK = tokens(4, 3, 5)
DOCUMENTS = tokens(6, 9, 4, 7)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    """Weights large enough that one document differs from the next."""
    model = tiny_llama()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter *= 4
    return model


@pytest.fixture(scope="module")
def decoder(model: LlamaForCausalLM) -> Decoder:
    return Decoder.from_transformers(model)


def paths_of(decoder: Decoder, placement: Placement = "equilibrium") -> Paths:
    preamble = [read_preamble(decoder, PREAMBLE)]
    return read_queries(decoder, preamble, read_documents(decoder, preamble, DOCUMENTS, placement), QUERY, placement)


def serial(documents: list[Tensor]) -> Tensor:
    """p, d_1, q_1, …, t."""
    return torch.cat([PREAMBLE, *(x for document in documents for x in (document, QUERY)), TASK])


def transformers_logits(
    model: LlamaForCausalLM, documents: list[Tensor], placement: Placement, bias: Tensor | None = None
) -> Tensor:
    """The whole graph as one sequence, with a mask and positions of our own: what the paper draws."""
    lengths = [len(document) for document in documents]
    mask = torch.where(
        forkjoin_mask(len(PREAMBLE), lengths, len(QUERY), len(TASK)), 0.0, torch.finfo(torch.float32).min
    )
    placed, start = path_positions(len(PREAMBLE), lengths, placement)
    query = start + torch.arange(len(QUERY))
    positions = [torch.arange(len(PREAMBLE)), *(x for document in placed for x in (document, query))]
    positions.append(start + len(QUERY) + torch.arange(len(TASK)))
    if bias is not None:
        begin = len(PREAMBLE)
        for length, value in zip(lengths, bias, strict=True):
            mask[-len(TASK) :, begin : begin + length + len(QUERY)] += value
            begin += length + len(QUERY)
    with torch.inference_mode():
        answer = model(
            serial(documents)[None], attention_mask=mask[None, None], position_ids=torch.cat(positions)[None]
        )
    return answer.logits[0]


@pytest.mark.parametrize("placement", ["equilibrium", "rounded", "left"])
def test_reading_in_segments_equals_transformers_on_the_whole_graph(
    model: LlamaForCausalLM, decoder: Decoder, placement: Placement
) -> None:
    paths = paths_of(decoder, placement)
    expected = transformers_logits(model, DOCUMENTS, placement)
    segments = [*paths.preamble, *(x for pair in zip(paths.documents, paths.queries, strict=True) for x in pair)]
    ours = torch.cat([segment.logits for segment in segments])
    torch.testing.assert_close(ours, expected[: -len(TASK)], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("keep", [None, 1, 2, 4])
@pytest.mark.parametrize("temperature", [0.1, 10.0])
def test_the_task_sees_paths_by_their_bias_as_in_the_masked_graph(
    model: LlamaForCausalLM, decoder: Decoder, keep: int | None, temperature: float
) -> None:
    parameters = SuperpositionParameters(keep, temperature)
    weights = paths_of(decoder).weights(parameters)
    bias = path_bias(weights, keep_paths(weights, keep), temperature)
    expected = transformers_logits(model, DOCUMENTS, "equilibrium", bias)[-len(TASK) :]
    ours = superpose(decoder, parameters, PREAMBLE, DOCUMENTS, QUERY, TASK).logits
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("temperature", [None, 1.0])
def test_dropping_keys_and_values_equals_biasing_them_away(decoder: Decoder, temperature: float | None) -> None:
    paths = paths_of(decoder)
    weights = paths.weights(SuperpositionParameters())
    kept = keep_paths(weights, 2)
    bias = path_bias(weights, kept, temperature)
    dropped = respond(decoder, paths.take(kept), bias[kept], TASK)
    torch.testing.assert_close(dropped.logits, respond(decoder, paths, bias, TASK).logits, atol=1e-5, rtol=1e-5)


def test_a_single_document_is_an_ordinary_prompt(model: LlamaForCausalLM, decoder: Decoder) -> None:
    ours = superpose(decoder, SuperpositionParameters(), PREAMBLE, DOCUMENTS[:1], QUERY, TASK).logits
    with torch.inference_mode():
        ordinary = model(serial(DOCUMENTS[:1])[None]).logits[0, -len(TASK) :]
    torch.testing.assert_close(ours, ordinary, atol=1e-4, rtol=1e-4)


def test_likelihoods_are_those_of_a_plain_prompt_of_one_document(model: LlamaForCausalLM, decoder: Decoder) -> None:
    preamble = [read_preamble(decoder, PREAMBLE)]
    paths = read_queries(decoder, preamble, read_documents(decoder, preamble, DOCUMENTS[:1]), QUERY)
    plain = torch.cat([PREAMBLE, DOCUMENTS[0], QUERY])
    with torch.inference_mode():
        likelihoods = -torch.nn.functional.cross_entropy(model(plain[None]).logits[0, :-1], plain[1:], reduction="none")
    document, query = len(DOCUMENTS[0]), len(QUERY)
    expected = likelihoods[-query + 1 :].mean() + 0.5 * likelihoods[-query - document + 1 : -query].mean()
    weights = paths.weights(SuperpositionParameters(document_weight=0.5))
    torch.testing.assert_close(weights, expected[None], atol=1e-4, rtol=1e-4)


def test_a_token_temperature_divides_the_logits(decoder: Decoder) -> None:
    segment = paths_of(decoder).queries[0]
    expected = torch.log_softmax(segment.logits[:-1] / 3, dim=-1)[torch.arange(2), QUERY[1:]]
    torch.testing.assert_close(segment.log_likelihoods(3.0), expected)


def test_integer_weights_are_the_floats_to_two_roundings(decoder: Decoder) -> None:
    paths = paths_of(decoder)
    integers = path_scores(
        [SQ7_16.quantise(document.log_likelihoods()) for document in paths.documents],
        [SQ7_16.quantise(query.log_likelihoods()) for query in paths.queries],
        1 << 12,
    )
    errors = integers.double() / (1 << 16) - paths.weights(SuperpositionParameters())
    assert float(errors.abs().max()) <= 2**-15 + 1e-5


def test_attention_weights_are_what_transformers_queries_give_a_document(
    model: LlamaForCausalLM, decoder: Decoder
) -> None:
    preamble = [read_preamble(decoder, PREAMBLE)]
    paths = read_queries(decoder, preamble, read_documents(decoder, preamble, DOCUMENTS[:1]), QUERY)
    model.set_attn_implementation("eager")
    plain = torch.cat([PREAMBLE, DOCUMENTS[0], QUERY])
    with torch.inference_mode():
        attentions = torch.cat(model(plain[None], output_attentions=True).attentions)
    expected = attentions[:, :, -len(QUERY) :, len(PREAMBLE) : -len(QUERY)].sum()
    torch.testing.assert_close(paths.attention_weights(), expected[None])


def test_a_hop_moves_the_likeliest_document_into_the_preamble_where_it_stands(decoder: Decoder) -> None:
    parameters = SuperpositionParameters()
    paths = paths_of(decoder)
    best = int(paths.weights(parameters).argmax())
    joined = (*paths.preamble, paths.documents[best])
    left = [document for i, document in enumerate(DOCUMENTS) if i != best]
    second = read_queries(decoder, joined, read_documents(decoder, joined, left), QUERY)
    start = paths.documents[best].positions[-1] + 1
    assert [document.positions[0] for document in second.documents] == [start] * 3
    weights = second.weights(parameters)
    expected = respond(decoder, second, path_bias(weights, keep_paths(weights, 1), 0.01), TASK)
    ours = superpose(decoder, parameters, PREAMBLE, DOCUMENTS, QUERY, TASK, hops=2)
    assert torch.equal(ours.logits, expected.logits)


def test_hops_may_use_up_all_documents(decoder: Decoder) -> None:
    logits = superpose(decoder, SuperpositionParameters(), PREAMBLE, DOCUMENTS, QUERY, TASK, hops=4).logits
    assert bool(logits.isfinite().all())


@pytest.mark.parametrize("hops", [0, 5])
def test_hops_beyond_the_documents_are_refused(decoder: Decoder, hops: int) -> None:
    with pytest.raises(ValueError, match=f"hops must be 1 to the 4 documents, not {hops}"):
        superpose(decoder, SuperpositionParameters(), PREAMBLE, DOCUMENTS, QUERY, TASK, hops)


def test_hops_along_several_paths_are_refused(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="several hops follow one path each: keep must be 1, not 2"):
        superpose(decoder, SuperpositionParameters(keep=2), PREAMBLE, DOCUMENTS, QUERY, TASK, hops=2)


def test_an_empty_preamble_is_refused(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="the preamble must have at least 1 token"):
        read_preamble(decoder, PREAMBLE[:0])


def test_documents_without_a_likelihood_are_refused(decoder: Decoder) -> None:
    preamble = [read_preamble(decoder, PREAMBLE)]
    for documents in ([], [DOCUMENTS[0], DOCUMENTS[1][:1]]):
        with pytest.raises(ValueError, match="documents of at least 2 tokens each, not of"):
            read_documents(decoder, preamble, documents)


def test_a_query_without_a_likelihood_is_refused(decoder: Decoder) -> None:
    preamble = [read_preamble(decoder, PREAMBLE)]
    documents = read_documents(decoder, preamble, DOCUMENTS)
    with pytest.raises(ValueError, match="the query must have at least 2 tokens, not 1"):
        read_queries(decoder, preamble, documents, QUERY[:1])
