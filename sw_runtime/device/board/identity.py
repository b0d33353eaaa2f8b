"""What a board is: asked of the board itself before anything else."""

from dataclasses import asdict, dataclass, fields

from formats.board_requests import VERSION, WORD_BYTES, Opcode, answer_of, request_words
from formats.engine import EngineParameters
from formats.errors import DeviceError, InputError
from formats.plurals import number_of
from hw.decoder.parameters import DecoderParameters
from hw.sources import build_number
from sw_runtime.device.board.channel import Channel

ONE_RELEASE = "take a bitstream and a program of one release"


@dataclass(frozen=True)
class Identity:
    """What a board says of itself.

    Parameters
    ----------
    build
        Names the sources of its hardware; 0 where nobody named them.
    memory_bytes
        Bytes of its memory.
    clock_hz
        Of engine and memory.
    engine
        Its engine.
    decoder
        Sizes of its whole decoder; None where it only multiplies.
    """

    build: int
    memory_bytes: int
    clock_hz: float
    engine: EngineParameters
    decoder: DecoderParameters | None


def identify(channel: Channel) -> Identity:
    """Ask a board what it is.

    Raises
    ------
    DeviceError
        If it speaks another version of the requests, was built from other sources than those here, or holds an
        engine that this program does not know.
    """
    ((values, names),) = (
        answer_of(Opcode.IDENTIFY, response) for response in channel.exchange([request_words(Opcode.IDENTIFY)])
    )
    if values["version"] != VERSION:
        raise DeviceError(
            f"the board speaks version {values['version']} of the requests, this program {VERSION}: {ONE_RELEASE}"
        )
    if values["build"] not in (0, build_number()):
        raise DeviceError(
            f"the board was built from other sources, {values['build']:08x}, than this program's, "
            f"{build_number():08x}: {ONE_RELEASE}"
        )
    text = b"".join(word.to_bytes(WORD_BYTES, "little") for word in names).rstrip(b"\0").decode("ascii", "replace")
    sizes = {field.name: values[field.name] for field in fields(EngineParameters) if field.name in values}
    try:
        engine = EngineParameters(tuple(text.split(",")), **sizes)
    except InputError as error:
        raise DeviceError(f"this program does not know the board's engine ({error}): {ONE_RELEASE}") from None
    units = DecoderParameters(**{field.name: values[field.name] for field in fields(DecoderParameters)})
    decoder = units if units.vector_words else None
    return Identity(values["build"], values["memory_bytes"], 1e3 * values["clock_khz"], engine, decoder)


def check_engine(engine: EngineParameters, wanted: EngineParameters) -> None:
    """Refuse a board whose engine does not do what is wanted of it: formats and batch.

    Raises
    ------
    DeviceError
        Naming what it lacks.
    """
    lacking = [name for name in wanted.formats if name not in engine.formats]
    if lacking:
        raise DeviceError(
            f"the board has no lane for {', '.join(lacking)}; it has {', '.join(engine.formats)}: "
            "compress the model to these, or program the board with others"
        )
    if wanted.batch > engine.batch:
        raise DeviceError(
            f"the board multiplies {number_of(engine.batch, 'vector')} at once, not {wanted.batch}: "
            "program it with a larger batch"
        )


def check_decoder(decoder: DecoderParameters | None, wanted: DecoderParameters) -> None:
    """Refuse a board whose whole decoder is none, or smaller than a program needs.

    Raises
    ------
    DeviceError
        Naming what it lacks.
    """
    if decoder is None:
        raise DeviceError("the board only multiplies, and the image needs a whole decoder: program the board with one")
    for name, needed in asdict(wanted).items():
        has = getattr(decoder, name)
        if has < needed or (name == "queries" and has != needed):
            raise DeviceError(
                f"the board's decoder is built for {name} = {has}, the image needs {needed}: program a board for it"
            )
