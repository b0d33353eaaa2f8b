"""The nouns of WordNet 3.0, read from its own files: senses, base forms and the distance between two senses.

Files are documented in WordNet's wndb(5WN), base forms in morphy(7WN).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
"""Plural ending of a noun and what stands for it in the base form: morphy(7WN)."""

HYPERNYMS = ("@", "@i")
"""Pointers from a kind, or from an individual, to what it is."""


@dataclass(frozen=True)
class WordNet:
    """Nouns. A synset, one sense shared by several words, goes by its offset in the file of data.

    Parameters
    ----------
    senses
        Word, lower case with underscores for spaces: its synsets, most frequent first.
    words
        Synset: its words, first the one that names it.
    hypernyms
        Synset: what it is a kind or an instance of.
    exceptions
        Irregular form: base forms. Empty where the files leave them out.
    """

    senses: dict[str, tuple[int, ...]]
    words: dict[int, tuple[str, ...]]
    hypernyms: dict[int, tuple[int, ...]]
    exceptions: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, folder: Path) -> "WordNet":
        """Read ``index.noun``, ``data.noun`` (or the parts it was cut into) and, where it is there, ``noun.exc``.

        Raises
        ------
        FileNotFoundError
            If the folder has no such files.
        """
        data = sorted(folder.glob("data.noun*"))
        if not data or not (folder / "index.noun").exists():
            raise FileNotFoundError(f"{folder} has no index.noun and data.noun; give the folder of WordNet 3.0's files")
        words, hypernyms = {}, {}
        for fields in (fields for path in data for fields in _lines(path)):
            count = int(fields[3], 16)
            synset, pointers = int(fields[0]), fields[5 + 2 * count :]
            words[synset] = tuple(fields[4 : 4 + 2 * count : 2])
            hypernyms[synset] = tuple(
                int(target)
                for symbol, target in zip(pointers[::4], pointers[1::4], strict=False)
                if symbol in HYPERNYMS
            )
        senses = {}
        for word, _, synsets, *rest in _lines(folder / "index.noun"):
            senses[word] = tuple(map(int, rest[-int(synsets) :]))
        irregular = folder / "noun.exc"
        exceptions = {form: tuple(bases) for form, *bases in _lines(irregular)} if irregular.exists() else {}
        return cls(senses, words, hypernyms, exceptions)

    def lemma(self, form: str) -> str:
        """The shortest base form of a noun that is a word here, or the form itself where none is.

        As NLTK has it, endings are taken off once, and again for as long as no form is a word.
        """
        irregular = self.exceptions.get(form)
        forms = (form, *(_without_ending((form,)) if irregular is None else irregular))
        while forms:
            known = [word for word in forms if word in self.senses]
            if known:
                return min(known, key=len)
            forms = _without_ending(forms) if irregular is None else ()
        return form

    def first_synset(self, word: str) -> int | None:
        """The most frequent sense of a word, None where it is no noun: NLTK's ``word.n.01`` before it is named."""
        senses = self.senses.get(word)
        return senses[0] if senses else None

    def name(self, synset: int) -> str:
        """The word that names a synset, lower case."""
        return self.words[synset][0].lower()

    def path_similarity(self, one: int, other: int) -> float:
        """1 / (1 + steps over hypernyms between two synsets), 1 for the same."""
        up, over = self.ancestors(one), self.ancestors(other)
        return 1 / (1 + min(up[synset] + over[synset] for synset in up.keys() & over.keys()))

    def ancestors(self, synset: int) -> dict[int, int]:
        """Steps up to the synset itself, its hypernyms, theirs, and so on to the one root."""
        distances, level = {synset: 0}, [synset]
        while level:
            level = [above for below in level for above in self.hypernyms[below] if above not in distances]
            steps = max(distances.values()) + 1
            distances |= dict.fromkeys(level, steps)
        return distances


def _without_ending(forms: tuple[str, ...]) -> tuple[str, ...]:
    """What every rule makes of every form that it fits, each once."""
    cut = (form.removesuffix(end) + base for form in forms for end, base in ENDINGS if form.endswith(end))
    return tuple(dict.fromkeys(cut))


def _lines(path: Path) -> Iterator[list[str]]:
    """Fields of each line but the licence, which is indented; what follows a bar is a gloss."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith(" "):
                yield line.split("|", 1)[0].split()
