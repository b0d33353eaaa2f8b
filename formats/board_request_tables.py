"""``docs/requests.md``: all requests and statuses as Markdown."""

from formats import board_requests
from formats.board_requests import MAXIMUM_WORDS, REQUESTS, STATUS_MEANINGS, VERSION, Field


def request_tables() -> str:
    """``docs/requests.md``: all requests and statuses as Markdown."""
    lines = ["# Requests to a board", "", "Made by `python -m formats.board_request_tables > docs/requests.md`.", ""]
    lines += (board_requests.__doc__ or "").split("\n\n", 1)[1].rsplit("\n\n", 1)[0].replace("``", "`").splitlines()
    lines += ["", f"This is version {VERSION}. No request and no response is longer than {MAXIMUM_WORDS:,} words.", ""]
    lines += ["| status | | |", "|---:|---|---|"]
    lines += [f"| {status:d} | {status.name} | {meaning} |" for status, meaning in STATUS_MEANINGS.items()]
    for request in REQUESTS.values():
        lines += [
            "",
            f"## {request.opcode.name}, 0x{request.opcode:02X}",
            "",
            f"{request.meaning[0].upper()}{request.meaning[1:]}.",
        ]
        lines += _field_table("argument", request.arguments) + _field_table("answer", request.answer)
    return "\n".join(lines) + "\n"


def _field_table(title: str, fields: tuple[Field, ...]) -> list[str]:
    if not fields:
        return []
    rows = [f"| `{field.name}` | {field.words or 'the rest'} | {field.meaning} |" for field in fields]
    return ["", f"| {title} | words | |", "|---|---:|---|", *rows]


if __name__ == "__main__":
    print(request_tables(), end="")
