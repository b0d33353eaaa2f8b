"""What a client may ask for: the fields of OpenAI's requests that are done, and those that change nothing.

Any other field is refused by its name: a client that asks for tools or log-probabilities shall not take an answer
without them for one.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from formats.errors import InputError


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_parts(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Part(_Strict):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(_Strict):
    """A message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(_as_parts)]
    name: str | None = None

    def as_template_takes_it(self) -> dict[str, str]:
        """Role and text."""
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": "".join(part.text for part in self.content)}


class StreamOptions(_Strict):
    """How a stream ends."""

    include_usage: bool = False


Tokens = Annotated[int, Field(ge=1)]


class Asked(_Strict):
    """What both kinds of request have in common.

    Parameters
    ----------
    temperature
        Below ``LIKELIEST`` the likeliest token is taken each time. Above, and with ``top_p``, tokens are drawn; without
        either the model's generation_config.json decides.
    seed
        The same seed draws the same tokens.
    stop
        Texts that end the answer, and are not part of it.
    counters
        Ours: what the answer has cost so far stands in every chunk, and in a whole answer.
    """

    model: Annotated[str, Field(max_length=256)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    max_tokens: Tokens | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]] | None,
        Field(max_length=4),
        BeforeValidator(_as_list),
    ] = None
    counters: bool | None = None

    # taken where they ask for nothing
    n: Literal[1] | None = None
    logit_bias: Annotated[dict[str, JsonValue], Field(max_length=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None

    # notes of the client's
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None

    @property
    def most_tokens(self) -> int | None:
        """New tokens at most, if the client says."""
        return self.max_tokens

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class AskedChat(Asked):
    """A request to /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Tokens | None = None
    logprobs: Literal[False] | None = None

    @property
    def most_tokens(self) -> int | None:
        """New tokens at most, if the client says."""
        return self.max_completion_tokens or self.max_tokens


class AskedCompletion(Asked):
    """A request to /v1/completions."""

    prompt: str
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None


A = TypeVar("A", bound=Asked)


def read(kind: type[A], body: bytes) -> A:
    """The request that a body is.

    Raises
    ------
    InputError
        Naming the first field that is wrong.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part)[:64] for part in first["loc"][:8])
        said = "this server does not know the field" if first["type"] == "extra_forbidden" else first["msg"]
        raise InputError(f"{field}: {said}" if field else said) from error
