import torch

from papers.smollm2 import SmolLM2


def test_the_decoder_is_the_model_and_reads_the_tokenizers_tokens() -> None:
    smollm2 = SmolLM2.load()
    tokens = torch.tensor(smollm2.tokenizer("The bridge is long.")["input_ids"])
    with torch.inference_mode():
        torch.testing.assert_close(smollm2.decoder(tokens), smollm2.model(tokens[None]).logits[0], atol=1e-3, rtol=1e-3)
    assert smollm2.decoder.embedding.dtype == torch.float32
    assert smollm2.decoder.embedding.data_ptr() == smollm2.model.model.embed_tokens.weight.data_ptr()
