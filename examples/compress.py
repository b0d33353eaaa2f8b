"""Compress a Hugging Face model, then see what the folder holds.

    python examples/compress.py path/to/model compressed [some.txt]

The text shows which inputs of each layer matter. Without one the result is worse, and sooner there.
"""

import sys
from pathlib import Path

import seedloom
from sw_runtime.nn.folder import describe


def main(source: str, output: str, text: str | None = None) -> None:
    """Compress ``source`` into the new folder ``output``."""
    seedloom.compress(source, output, format="scaled-4bit", calibration_text=text)
    contents = describe(Path(output))
    for layer in contents.layers:
        print(f"{layer.name:40} {layer.format:12} [{layer.rows}, {layer.columns}]")
    print(f"{contents.weights} weights at {contents.bits_per_weight:.2f} bits")


if __name__ == "__main__":
    main(*sys.argv[1:])
