"""A model on the host: dense, and compressed in memory; tokens per second and memory, each in a process of its own.

``python -m benchmarks.host_speed FOLDER ORIGINAL [MODEL.gguf …]`` writes ``TOKENS`` greedy tokens after a short prompt
with each of them, in turns, ``ROUNDS`` times. Speeds are of the best round; memory is what the process took more than
before it loaded the model. GGUF files run in llama.cpp (pip install xllamacpp).
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

PROMPT = "Once upon a time in a small village,"
TOKENS = 64
ROUNDS = 3
HOSTS = ("dense bfloat16", "dense float32", "compressed bfloat16", "compressed float32")


def resident_bytes() -> int:
    """Memory of this process (Linux)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024


def tokens_a_second(model: Any, tokenizer: Any) -> float:
    """Of ``TOKENS`` greedy tokens; the prompt is not counted."""
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    with torch.inference_mode():
        model.generate(ids, max_new_tokens=2, do_sample=False)
        start = time.perf_counter()
        model.generate(ids, max_new_tokens=1, do_sample=False)
        first = time.perf_counter()
        model.generate(ids, min_new_tokens=TOKENS, max_new_tokens=TOKENS, do_sample=False)
        return (TOKENS - 1) / (time.perf_counter() - first - (first - start))


def measure(host: str, folder: Path, original: Path) -> dict[str, float]:
    """Speed and bytes of one way to hold the model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    import seedloom

    kind, name = host.split()
    dtype = getattr(torch, name)
    before = resident_bytes()
    if kind == "dense":
        tokenizer = AutoTokenizer.from_pretrained(original)
        model = AutoModelForCausalLM.from_pretrained(original, dtype=dtype)
    else:
        model, tokenizer = seedloom.load(folder, host="compressed", dtype=dtype)
    held = sum(tensor.nbytes for tensor in {t.data_ptr(): t for t in model.state_dict().values()}.values())
    speed = tokens_a_second(model, tokenizer)
    return {"tokens_a_second": speed, "tensor_bytes": held, "resident_bytes": resident_bytes() - before}


def measure_gguf(file: Path) -> dict[str, float]:
    """The same of a GGUF file in llama.cpp, by its own clock."""
    import xllamacpp

    before = resident_bytes()
    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx, parameters.n_parallel, parameters.verbosity = 512, 1, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = torch.get_num_threads()
    server = xllamacpp.Server(parameters)
    request = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0.0, "ignore_eos": True}
    return {
        "tokens_a_second": server.handle_completions(request)["timings"]["predicted_per_second"],
        "tensor_bytes": file.stat().st_size,
        "resident_bytes": resident_bytes() - before,
    }


def main() -> None:
    """Measure in turns, and print a table."""
    folder, original, *files = map(Path, sys.argv[1:])
    kinds = [*HOSTS, *map(str, files)]
    best: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for kind in kinds:
            command = [sys.executable, "-m", "benchmarks.host_speed", "--one", kind, str(folder), str(original)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            if kind not in best or found["tokens_a_second"] > best[kind]["tokens_a_second"]:
                best[kind] = found
    print("| model | tokens per second | MB of tensors | MB of memory |\n|---|---:|---:|---:|")
    for kind in kinds:
        row = best[kind]
        memory = [f"{row[name] / 1e6:,.0f}" for name in ("tensor_bytes", "resident_bytes")]
        print(f"| {kind.rsplit('/')[-1]} | {row['tokens_a_second']:.1f} | {' | '.join(memory)} |")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one = Path(sys.argv[2])
        result = measure_gguf(one) if one.suffix == ".gguf" else measure(sys.argv[2], *map(Path, sys.argv[3:]))
        print(json.dumps(result))
    else:
        main()
