"""Writes the folder that ``seedloom verilog`` makes."""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from formats.arguments import check_types
from formats.engine import EngineParameters
from formats.errors import InputError
from formats.plurals import number_of
from hw.engine.engine import Engine
from hw.verilog import convert
from sw_runtime.disk_errors import as_system_errors, check_writable
from sw_runtime.json_files import json_text
from sw_runtime.takeaway.ports import command_fields, engine_ports, ports_text
from sw_runtime.takeaway.product import product_text

TOP = "seedloom_engine"
"""Name of the module."""

SAME_FOR_ALL = ("bench.cpp", "cocotb_bench.py", "litex_engine.py", "seedloom_engine.core")
"""Files that every engine's folder has alike; they read what differs from ``engine.json`` and ``product.txt``."""

CHECKSUMS = "checksums.json"


def write_verilog(parameters: EngineParameters, output: Path) -> list[str]:
    """Write an engine's Verilog and what shows that it works: the same bytes for the same parameters.

    Parameters
    ----------
    parameters
        The engine. Its stored product is of its first format.
    output
        The folder. If it is there, it holds nothing but what this function wrote.

    Returns
    -------
    Names of the files.

    Raises
    ------
    InputError
        If an argument is of another type, the folder holds something else, naming it, or cannot be written.
    OSError
        If it cannot be written.
    """
    check_types(parameters=(parameters, EngineParameters), output=(output, Path))
    output = output.absolute()
    _check_free(output)
    check_writable(output.parent, output)
    texts = _texts(parameters)
    texts[CHECKSUMS] = json_text({name: _digest(text) for name, text in texts.items()})
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch, as_system_errors(output):
        new = Path(scratch) / "new"
        new.mkdir()
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8")
        if output.exists():
            os.rename(output, Path(scratch) / "old")
        os.rename(new, output)
    return sorted(texts)


def _check_free(output: Path) -> None:
    """Refuse a place that holds anything but a folder of ours, unchanged."""
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise InputError(f"{output} is no folder; name another")
    names = sorted(path.name for path in output.iterdir())
    kept = _kept_checksums(output)
    for name in names:
        path = output / name
        unchanged = path.is_file() and kept.get(name) == _digest(path.read_bytes())
        ours = unchanged or (name == CHECKSUMS and kept)
        if not ours:
            raise InputError(f"{path} was not written by `seedloom verilog`, or changed since; name another folder")


def _kept_checksums(output: Path) -> dict[str, str]:
    try:
        kept = json.loads((output / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _texts(parameters: EngineParameters) -> dict[str, str]:
    """Every file but the checksums, by name."""
    files = Path(__file__).with_name("files")
    engine = Engine(parameters)
    widths = {port.name: port.width for port in engine_ports(engine)}
    sizes = {
        "parameters": asdict(parameters),
        "port_bits": widths["i_data__payload"],
        "result_bits": widths["o_results__payload"],
        "command": command_fields(parameters),
    }
    return {
        "README.md": _readme(engine),
        f"{TOP}.v": convert(engine, TOP),
        "engine.json": json_text(sizes),
        "product.txt": product_text(parameters, parameters.formats[0]),
    } | {name: (files / name).read_text(encoding="utf-8") for name in SAME_FOR_ALL}


def _readme(engine: Engine) -> str:
    parameters = engine.parameters
    largest = f"{number_of(parameters.maximum_rows, 'row')} and {number_of(parameters.maximum_columns, 'column')}"
    lanes = ", ".join(
        f"{number_of(parameters.lanes_for(each), 'lane')} of {each.name}" for each in parameters.weight_formats
    )
    return f"""# seedloom_engine

Exact matrix-vector products: {lanes}; a memory port of {parameters.port_bytes} bytes per cycle, activations of
{parameters.activation_bits} bits, {number_of(parameters.batch, "vector")} per pass, matrices up to {largest}.

{ports_text(engine)}

| file | what |
| --- | --- |
| `seedloom_engine.v` | the engine, one clock, no vendor's primitives; every register and memory has an initial value |
| `product.txt` | a small product: what to send, and the integers that must come back |
| `bench.cpp` | runs it under Verilator |
| `cocotb_bench.py` | runs it under Icarus Verilog or Verilator |
| `seedloom_engine.core` | FuseSoC: targets `sim` and `lint` |
| `litex_engine.py` | the engine as a LiteX module |
| `engine.json` | parameters and widths |

```
verilator --cc --exe --build -Wno-fatal -Wno-lint -Wno-INITIALDLY seedloom_engine.v bench.cpp
obj_dir/Vseedloom_engine
python cocotb_bench.py
fusesoc --cores-root . run --target sim seedloom_engine
```

Run them in another folder, or a copy: `seedloom verilog` writes over nothing that it did not write.
"""
