"""CPU time of the demo's compression in `scaled-4bit`, its format before, and in `trellis-4bit`; docs/trellis.md.

``python benchmarks/demo_compression.py`` compresses two layers of SmolLM2-135M, fitted to the packaged news as in the
demo, in each format. One of them is the last, so that the model runs to its end. One small matrix of the last layer
alone costs what a whole model pays once: reading the text and the model, and running it. The rest is paid
per layer. The whole model's time is derived from both.
"""

import tempfile
import time
from pathlib import Path

import seedloom
from sw_runtime.texts.packaged_models import smollm2_folder

FORMATS = ("scaled-4bit", "trellis-4bit")
ONE_MATRIX = r"layers\.29\.self_attn\.k_proj"
TWO_LAYERS = r"layers\.(9|29)\."
LAYERS = 30


def cpu_seconds(format: str, modules: str) -> float:
    """CPU seconds of this process for one compression, all threads."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        seedloom.compress(
            str(smollm2_folder()), Path(folder) / "out", format=format, calibration_text="packaged", modules=modules
        )
        return time.process_time() - start


def main() -> None:
    """Measure, print a table."""
    whole = []
    print("| format | once | two layers more | 30 layers (derived) |\n|---|---:|---:|---:|")
    for format in FORMATS:
        once = cpu_seconds(format, ONE_MATRIX)  # compiles the encoder, too
        two = cpu_seconds(format, TWO_LAYERS) - once
        whole.append(once + two * LAYERS / 2)
        print(f"| `{format}` | {once:.1f} s | {two:.1f} s | {whole[-1]:.0f} s |", flush=True)
    before, now = whole
    print(f"{now / before:.2f} of the CPU time of `{FORMATS[0]}`")


if __name__ == "__main__":
    main()
