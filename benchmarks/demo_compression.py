"""CPU time of the demo's compression in `scaled-4bit`, its format before, and in `trellis-4bit`; docs/trellis.md.

``python benchmarks/demo_compression.py`` compresses two layers of SmolLM2-135M, fitted to the packaged news as in the
demo, in each format. What reading the text and the model costs is measured with one small matrix
alone and taken off, as a whole model pays for it once.
"""

import tempfile
import time
from pathlib import Path

import seedloom
from sw_runtime.texts.packaged_models import smollm2_folder

FORMATS = ("scaled-4bit", "trellis-4bit")
ONE_MATRIX = r"layers\.0\.self_attn\.k_proj"
LAYERS = r"layers\.(9|29)\."


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
    for format in FORMATS:
        cpu_seconds(format, ONE_MATRIX)  # compiles the encoder
    spent = {format: cpu_seconds(format, LAYERS) - cpu_seconds(format, ONE_MATRIX) for format in FORMATS}
    print("| format | CPU seconds, two layers |\n|---|---:|")
    for format, seconds in spent.items():
        print(f"| `{format}` | {seconds:.1f} |")
    before, now = spent.values()
    print(f"{now / before:.2f} of the time of `{FORMATS[0]}`")


if __name__ == "__main__":
    main()
