"""`python -m ops.errors`: writes the tables of docs/errors.md from what the channels declare of their providers' errors."""

from chat4all.channels import CHANNELS, channel_class
from chat4all.model.advice import advice
from chat4all.model.failures import Permanent, Throttled, Unknown
from chat4all.ports import ErrorLine
from ops.made_pages import DOCS, with_made

PAGE = DOCS / "errors.md"
HEAD = "| error | what becomes of the delivery | reason | what to do |\n|---|---|---|---|"


def declared() -> dict[str, tuple[ErrorLine, ...]]:
    """The table of each channel."""
    return {name: channel_class(name).errors for name in CHANNELS}


def tables(channels: dict[str, tuple[ErrorLine, ...]]) -> str:
    """One table for each channel, a line for each error."""
    parts = [f"## {name}\n\n{HEAD}\n" + "\n".join(map(_line, lines)) for name, lines in channels.items()]
    return "\n\n".join(parts)


def _line(line: ErrorLine) -> str:
    subcode = f"/{line.subcode}" if line.subcode else ""
    words = f" “{line.words}”" if line.words else ""
    return f"| {line.code}{subcode}{words} | {_fate(line)} | `{line.reason}` | {advice(line.reason)} |"


def _fate(line: ErrorLine) -> str:
    if line.kind is Permanent:
        return "FAILED"
    if line.kind is Throttled:
        return f"waits as long as the provider says, else {line.wait:g} s"
    if line.kind is Unknown:
        return "unknown outcome"
    return f"tried again, {line.tries} times in a row" if line.tries else "tried again"


def page(text: str) -> str:
    """The document with its tables made anew."""
    return with_made(text, "ops.errors", tables(declared()))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
