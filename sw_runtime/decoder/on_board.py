"""A program executed token by token on a board."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from formats.board_requests import Opcode, answer_of, request_words
from formats.errors import DeviceError, InputError
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE
from sw_runtime.decoder.text import Text
from sw_runtime.decoder.units import units_for
from sw_runtime.decoder.vectors import Vector
from sw_runtime.device.board.channel import Channel
from sw_runtime.device.board.identity import check_decoder, identify
from sw_runtime.device.board.memory import upload, writes

MEMORY = 0
"""Where an image lies."""


@dataclass(frozen=True)
class TokenAnswer:
    """What a board answers.

    Parameters
    ----------
    token, key
        The likeliest next token, and its logit's key.
    cycles, port_busy_cycles
        Of the token; of these, those in which a word that was read was taken.
    """

    token: int
    key: int
    cycles: int
    port_busy_cycles: int


class BoardDecoder(Text):
    """One text; its keys and values are kept in the board's memory.

    The board must have the formats of the image's engine, in its order, and units no smaller than ``units_for`` says.

    Parameters
    ----------
    channel
        To the board; closed with the decoder.
    image
        Written into its memory, as far as it is not there already.

    Raises
    ------
    DeviceError
        If the board has other formats than the image, no decoder or too small a one, or its memory does not hold what
        was written.
    """

    def __init__(self, channel: Channel, image: Image) -> None:
        super().__init__()
        self._channel, self._contents = channel, image.contents
        identity = identify(channel)
        formats = identity.engine.formats
        if formats != image.contents.formats:
            raise DeviceError(
                f"the board has lanes for {', '.join(formats)}, the image is for {', '.join(image.contents.formats)}: "
                "program the board with these, in this order"
            )
        check_decoder(identity.decoder, units_for(*(image.reader(name).program() for name in image.programs)))
        upload(channel, MEMORY, image.memory)

    def take(self, embedding: NDArray[Any], program: str = WHOLE) -> TokenAnswer:
        """Read a further token of the text, real [dim], by one of the image's programs.

        Raises
        ------
        InputError
            If the text grows longer than the image's context, or there is no such program.
        DeviceError
            If the board refuses, or stops answering.
        """
        if self._tokens == self._contents.context:
            raise InputError(f"the image has a context of {self._tokens} tokens; give a shorter text")
        address = self._contents.area("embedding").address
        stream = Vector.from_real(embedding[None])
        octets = stream.mantissas[0].astype("<i4").view("u1")
        exponent = int(stream.exponent[0, 0]) & 0xFFFF_FFFF
        token = request_words(Opcode.TOKEN, self._contents.area(program).address, self._tokens, address, exponent)
        requests = [*writes(self._channel, address, octets), token]
        *written, answered = self._channel.exchange(requests)
        for response in written:
            answer_of(Opcode.WRITE, response)
        fields, _ = answer_of(Opcode.TOKEN, answered)
        self._tokens += 1
        key = fields["key"] - (fields["key"] >> 31 << 32)
        return TokenAnswer(fields["token"], key, fields["cycles"], fields["port_busy_cycles"])

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
