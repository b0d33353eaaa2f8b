"""Put a model's compressed layers on a device, and take them off again."""

from torch import nn

from formats.arguments import check_types
from formats.errors import InputError
from sw_runtime.device.protocol import Device, MatrixShape
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.progress import progress_bar


def compressed_linears(model: nn.Module) -> dict[str, DeviceLinear]:
    """The compressed layers of a model by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, DeviceLinear)}


def _layers(model: nn.Module) -> dict[str, DeviceLinear]:
    """The compressed layers; a model without any is refused."""
    layers = compressed_linears(model)
    if not layers:
        raise InputError(
            f"{type(model).__name__} has no compressed layers; load a folder that `seedloom compress` wrote"
        )
    return layers


def attach(model: nn.Module, device: Device) -> None:
    """Load every compressed layer on a device and multiply there from now on; ``generate`` then just works.

    All layers are checked before the first is loaded; if one fails all the same, those loaded are
    taken off again.

    Raises
    ------
    InputError
        If an argument is of another type, the model has no compressed layers, is attached already, or has a layer
        the device does not take, naming it.
    DeviceError
        If the device's memory does not hold the layers, by how many bytes.
    """
    check_types(model=(model, nn.Module))
    if not hasattr(device, "matvec"):
        raise InputError(f"device must be what seedloom.open_device gives, not {device!r}")
    layers = _layers(model)
    info = device.info()
    for name, layer in layers.items():
        if layer.is_attached:
            raise InputError(f"{name} is attached to a device already; detach the model first")
        if layer.format_name not in info.formats:
            raise InputError(
                f"{name} is stored as {layer.format_name}, which the {info.name} device does not take; "
                f"it takes {', '.join(info.formats)}"
            )
        if layer.out_features > info.maximum_rows or layer.in_features > info.maximum_columns:
            raise InputError(
                f"{name} [{layer.out_features}, {layer.in_features}] is larger than the {info.name} device's "
                f"maximum [{info.maximum_rows}, {info.maximum_columns}]"
            )
    device.check_room([MatrixShape(each.format_name, each.out_features, each.in_features) for each in layers.values()])
    try:
        _load(list(layers.values()), device)
    except BaseException:
        detach(model)
        raise


def stay_packed(model: nn.Module) -> None:
    """Keep every compressed layer packed on the host, and multiply from its stored bytes: no decoded weights.

    Raises
    ------
    InputError
        If it is no model, has no compressed layers, or one that the host multiplies only decoded, naming it.
    DependencyError
        If there is no C compiler.
    """
    check_types(model=(model, nn.Module))
    for name, layer in _layers(model).items():
        try:
            layer.stay_packed()
        except InputError as error:
            raise InputError(f"{name}: {error}") from None


def _load(layers: list[DeviceLinear], device: Device) -> None:
    """Load layers one after the other; the bar counts bytes, for a board's link takes minutes for a model."""
    sizes = [sum(buffer.nbytes for buffer in layer.buffers()) for layer in layers]
    name = f"loading the {device.info().name} device"
    with progress_bar(total=sum(sizes), desc=name, unit="B", unit_scale=True, disable=None) as bar:
        for layer, size in zip(layers, sizes, strict=True):
            layer.attach(device)
            bar.update(size)


def detach(model: nn.Module) -> None:
    """Take every compressed layer that is on a device off it; the model then computes on the host.

    Raises
    ------
    InputError
        If it is no model.
    """
    check_types(model=(model, nn.Module))
    for layer in compressed_linears(model).values():
        layer.detach()
