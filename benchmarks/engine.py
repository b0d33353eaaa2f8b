"""The engine's table in docs/benchmarks.md: every format and size against FP16 on the same port.

``python benchmarks/engine.py`` prints Markdown; one simulator a format is built at the first run.
"""

from formats.presets import PRESETS, TRELLIS_PRESETS
from seedloom.bench_engine import measure_engine

SIZES = (512, 1024, 2048)
PAPER = {("paper-4bit", 512): "3.67", ("paper-4bit", 1024): "3.92", ("paper-4bit", 2048): "3.98"}
"""SeedLM's own speed-ups as quoted by its readers; the two smaller sizes are inferred."""


def main() -> None:
    """Measure and print."""
    print("| format | size | lanes | cycles | FP16 | speed-up | with a 96 % memory | paper | k cycles/s simulated |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in (*PRESETS, *TRELLIS_PRESETS):
        for size in SIZES:
            ideal = measure_engine(name, size, size)
            paused = measure_engine(name, size, size, memory=0.96)
            assert ideal.exact
            assert paused.exact
            print(
                f"| `{name}` | {size}² | {ideal.lanes} | {ideal.cycles:,} | {ideal.baseline_cycles:,} "
                f"| {ideal.speedup:.3f} | {paused.cycles:,} / {paused.baseline_cycles:,} = {paused.speedup:.3f} "
                f"| {PAPER.get((name, size), '')} | {ideal.sim_cycles_per_second / 1e3:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
