import torch
from transformers import AutoTokenizer

from papers.prompts import Prompts
from papers.questions import Asked
from sw_runtime.texts.packaged_models import smollm2_folder


def prompts() -> Prompts:
    asked = [Asked("where is the bridge?", "Spain", 1), Asked("what do cats eat?", "mice", 0)]
    return Prompts(AutoTokenizer.from_pretrained(smollm2_folder()), ["Cats eat mice.", "A bridge in Spain."], asked)


def test_a_prompt_shows_examples_then_passages_then_the_question() -> None:
    ours = prompts()
    assert ours.text(ours.whole(["Dogs eat bones."], "what do dogs eat?").tolist()) == (
        "Answer each question with a few words of the passages."
        "\n\nPassage: A bridge in Spain.\n\nQuestion: where is the bridge?\nAnswer: Spain"
        "\n\nPassage: Cats eat mice.\n\nQuestion: what do cats eat?\nAnswer: mice"
        "\n\nPassage: Dogs eat bones.\n\nQuestion: what do dogs eat?\nAnswer:"
    )


def test_an_answer_ends_with_its_line_or_the_text() -> None:
    ours = prompts()
    line, word = ours.tokens("\n")[0], ours.tokens(" Spain")[0]
    assert ours.ends(int(line))
    assert ours.ends(ours.tokenizer.eos_token_id)
    assert not ours.ends(int(word))
    assert torch.equal(ours.tokens("\n\nPassage: x"), ours.document("x"))
