import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

import seedloom
from formats.engine import EngineParameters
from formats.errors import InputError
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Counters
from sw_runtime.nn import attach as attaching
from sw_runtime.nn.dequantize import dequantize
from sw_runtime.nn.quantizer import METHOD, QUANT_METHOD
from tests.conftest import write_tokenizer
from tests.models import tiny_llama

ROOT = Path(__file__).parents[2]


def test_importing_registers_the_format_with_transformers() -> None:
    assert "seedlm" in AUTO_QUANTIZER_MAPPING


def test_open_device_opens_by_name_and_passes_options_on() -> None:
    device = seedloom.open_device("emulated", parameters=EngineParameters(("fp16",)))
    assert isinstance(device, EmulatedDevice)
    assert device.info().formats == ("fp16",)


def test_an_unknown_device_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="no device 'gpu'; choose from emulated, serial, simulated, simulated-board"):
        seedloom.open_device("gpu")


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("simulated", {}, "missing a required argument: 'parameters'"),
        ("emulated", {"lanes": 4}, "got an unexpected keyword argument 'lanes'"),
    ],
)
def test_a_device_without_an_option_that_it_needs_says_which(name: str, options: dict[str, int], fault: str) -> None:
    with pytest.raises(ValueError, match=f"device '{name}' cannot be opened with these options: {fault}"):
        seedloom.open_device(name, **options)


def test_devices_that_no_package_brings_are_missed_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seedloom, "DEVICES", "seedloom.no_such_group")
    with pytest.raises(ValueError, match="no device 'emulated'; choose from none: `pip install` the package"):
        seedloom.open_device("emulated")


def test_attach_and_detach_are_those_of_the_runtime() -> None:
    assert seedloom.attach is attaching.attach
    assert seedloom.detach is attaching.detach


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'seedloom' has no attribute 'decompress'"):
        seedloom.decompress()


def output_of(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return run.stdout


def test_it_imports_neither_torch_nor_transformers() -> None:
    modules = output_of("import seedloom, seedloom.cli, sys; print(*sys.modules)").split()
    assert "seedloom.cli" in modules
    assert not {"torch", "transformers"} & set(modules)


@pytest.mark.parametrize(
    "imports",
    [
        "import seedloom, transformers.quantizers.auto",
        "import transformers.quantizers.auto, seedloom",
        "import seedloom, sw_runtime.nn.checkpoint",
        "import seedloom, sw_runtime.nn.quantizer",
    ],
)
def test_the_format_is_registered_whoever_imports_transformers_and_when(imports: str) -> None:
    code = "from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING; print('seedlm' in AUTO_QUANTIZER_MAPPING)"
    assert output_of(f"{imports}\n{code}") == "True\n"


def test_a_format_that_cannot_be_registered_is_told_and_leaves_transformers_alone() -> None:
    code = "import sys; sys.modules['sw_runtime.nn.quantizer'] = None\nimport seedloom\nimport transformers.quantizers"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "no compressed folder can be loaded (import of sw_runtime.nn.quantizer halted" in run.stderr
    assert "`seedloom doctor` says what is missing" in run.stderr


def test_a_folder_loads_in_a_process_that_imports_only_seedloom(tiny_model: Callable[..., Path]) -> None:
    code = (
        "import seedloom, torch; from transformers import AutoModelForCausalLM\n"
        f"model = AutoModelForCausalLM.from_pretrained({str(tiny_model())!r})\n"
        "seedloom.attach(model, seedloom.open_device('emulated'))\n"
        "print(model.generate(torch.tensor([[1]]), max_new_tokens=2, do_sample=False).shape)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "torch.Size([1, 3])"
    assert "torchao" not in run.stderr


def test_a_process_that_never_imported_seedloom_is_told_to(tiny_model: Callable[..., Path]) -> None:
    code = f"import transformers; transformers.AutoModelForCausalLM.from_pretrained({str(tiny_model())!r})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert "got seedlm (pip install seedloom; import seedloom before loading) - supported types are" in run.stderr


def test_a_folder_whose_config_has_the_bare_name_is_loaded(tiny_model: Callable[..., Path]) -> None:
    config = tiny_model() / "config.json"
    config.write_text(config.read_text().replace(QUANT_METHOD, METHOD))
    assert AutoModelForCausalLM.from_pretrained(config.parent).hf_quantizer is not None


def test_python_dash_m_is_the_command() -> None:
    run = subprocess.run([sys.executable, "-m", "seedloom", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stdout.strip()) == (0, seedloom.__version__)


@pytest.mark.parametrize("option", ["parameters", "router"])
def test_what_a_device_is_built_for_must_be_of_its_kind(option: str) -> None:
    with pytest.raises(ValueError, match=rf"{option} must be seedloom\.\w+\(\.\.\.\), not {{'a': 1}}"):
        seedloom.open_device("emulated", **{option: {"a": 1}})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"source": None}, "source must be str or Path or Module, not None"),
        ({"output": 3}, "output must be str or Path, not 3"),
        ({"format": 4}, "format must be str, not 4"),
        ({"calibration_text": ["a"]}, r"calibration_text must be str or Path or None, not \['a'\]"),
        ({"bits": "3"}, "bits must be int or float or None, not '3'"),
        ({"modules": ["mlp"]}, r"modules must be str or None, not \['mlp'\]"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"overwrite": "no"}, "overwrite must be bool, not 'no'"),
    ],
)
def test_compress_names_a_wrong_argument(arguments: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"source": "nowhere", "output": "nowhere"} | arguments
    with pytest.raises(InputError, match=said):
        seedloom.compress(**given)


def test_attach_names_a_wrong_argument() -> None:
    with pytest.raises(InputError, match="model must be Module, not 'folder'"):
        seedloom.attach("folder", EmulatedDevice())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"device must be what seedloom\.open_device gives, not 'emulated'"):
        seedloom.attach(nn.Linear(2, 2), "emulated")  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["folder", None, 3])
def test_what_is_no_model_is_not_detached_or_decoded(model: Any) -> None:
    with pytest.raises(InputError, match=f"model must be Module, not {model!r}"):
        seedloom.detach(model)
    with pytest.raises(InputError, match=f"model must be Module, not {model!r}"):
        dequantize(model)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"folder": None}, "folder must be str or Path, not None"),
        ({"folder": nn.Linear(2, 2)}, "folder must be str or Path, not Linear"),
        ({"output": 3}, "output must be str or Path, not 3"),
        ({"to": ["gguf"]}, r"to must be str, not \['gguf'\]"),
        ({"dtype": torch.float16}, r"dtype must be str or None, not torch\.float16"),
    ],
)
def test_export_names_a_wrong_argument(arguments: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"folder": "nowhere", "output": "nowhere"} | arguments
    with pytest.raises(InputError, match=said):
        seedloom.export(**given)


@pytest.mark.parametrize("name", [None, 5, "", ["emulated"]])
def test_what_is_no_devices_name_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match=re.escape(f"no device {name!r}; choose from emulated")):
        seedloom.open_device(name)


def test_every_command_about_models_has_a_function_of_its_name() -> None:
    for name in ("compress", "evaluate", "export", "generate", "inspect", "verify"):
        assert name in seedloom.__all__
        assert callable(getattr(seedloom, name))


def test_load_gives_model_and_tokenizer_that_generate_uses(chatting: Path) -> None:
    model, tokenizer = seedloom.load(str(chatting))
    written = seedloom.generate(str(chatting), "w3 w7", tokens=4, device="host")
    tokens = model.generate(torch.tensor([[3, 7]]), max_new_tokens=4, do_sample=False)[0, 2:].tolist()
    assert written.tokens == tokens
    assert written.text == tokenizer.decode(tokens)
    assert written.counters == Counters()
    assert written.figures == {}


def test_on_the_host_a_model_may_stay_compressed(tmp_path: Path) -> None:
    source, folder = tmp_path / "model", tmp_path / "compressed"
    tiny_llama(num_hidden_layers=1).save_pretrained(source)
    write_tokenizer(source)
    seedloom.compress(source, folder, "trellis-3bit", progress=False)
    model, _ = seedloom.load(folder, host="compressed", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert all(layer.stays_packed for layer in attaching.compressed_linears(model).values())
    decoded, packed = (seedloom.generate(folder, "w3 w7", 4, device=host) for host in ("host", "host:compressed"))
    assert packed.tokens == decoded.tokens
    assert packed.counters == Counters()


def test_load_refuses_other_hosts_and_dtypes(chatting: Path) -> None:
    with pytest.raises(InputError, match="host must be one of decoded, compressed, not 'gpu'"):
        seedloom.load(chatting, host="gpu")
    for dtype in (torch.int8, torch.float8_e4m3fn, "float32"):
        with pytest.raises(InputError, match=rf"dtype must be one of torch\.float32, .*, not {dtype!r}"):
            seedloom.load(chatting, dtype=dtype)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="q_proj: paper-4bit is multiplied on the host only decoded"):
        seedloom.load(chatting, host="compressed")


def test_generate_counts_what_a_device_does(chatting: Path) -> None:
    one, two = (seedloom.generate(chatting, "w3 w7", tokens) for tokens in (1, 2))
    assert one.tokens == two.tokens[:1]
    assert 0 < one.counters.cycles < two.counters.cycles


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": 3}, "prompt must be str, not 3"),
        ({"prompt": "w3 \udcff"}, r"prompt is no UTF-8 text (character 4 is '\udcff'); convert it"),
        ({"tokens": 0}, "tokens must be 1 or more, not 0"),
        ({"tokens": True}, "tokens must be int or None, not True"),
        ({"greedy": "no"}, "greedy must be bool, not 'no'"),
        ({"argmax_on_device": "no"}, "argmax_on_device must be bool, not 'no'"),
        ({"speculate": 16}, "speculate must be from 1 to 15, not 16"),
        (
            {"device": None},
            "no device None; choose from host, host:compressed, emulated, serial, simulated, simulated-board",
        ),
        (
            {"device": "gpu", "folder": "nowhere"},
            "no device 'gpu'; choose from host, host:compressed, emulated, serial, simulated, simulated-board",
        ),
        (
            {"device": "host", "argmax_on_device": True},
            "--argmax-on-device needs a device's router; choose a device instead of 'host'",
        ),
    ],
)
def test_what_generate_cannot_do_is_refused(chatting: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        seedloom.generate(**{"folder": chatting, "prompt": "w3"} | options)


@pytest.mark.parametrize("function", ["inspect", "verify", "load"])
def test_a_folder_is_a_path_or_its_text(function: str) -> None:
    with pytest.raises(InputError, match="folder must be str or Path, not 3"):
        getattr(seedloom, function)(3)


def test_inspect_and_verify_say_what_a_folder_holds(tiny_model: Callable[..., Path]) -> None:
    folder = str(tiny_model())
    assert seedloom.verify(folder) == seedloom.inspect(folder)
    assert len(seedloom.inspect(folder).layers) == 15
