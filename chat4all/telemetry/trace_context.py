"""The words of a trace: its context as text, and what a step of a message's way is to those who record nothing. No I/O.

A trace context is a W3C `traceparent`: `00-<trace id>-<span id>-<01 where it is sampled>`.
"""

import os
import re
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from chat4all.model.records import MESSAGE_HEADER, TRACE_HEADER

HEADER = TRACE_HEADER
# Beside it in the headers of records and events of sampled messages, for those who do not read the value.
MESSAGE = MESSAGE_HEADER
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-[0-9a-f]([0-9a-f])(-.*)?")
_ODD = "13579bdf"


def new() -> str:
    """A context for a message that nobody records."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"


def read(text: str) -> str:
    """A `traceparent` that a caller gave, as we write it; empty when it is none."""
    found = _FORM.fullmatch(text)
    return f"00-{found[1]}-{found[2]}-0{'1' if found[3] in _ODD else '0'}" if found else ""


def trace_id(trace: str) -> str:
    """The trace's id, 32 hexadecimal digits; empty where there is none."""
    return trace[3:35]


class Hop:
    """A step of a message's way while it lasts. This one is for messages that are not sampled, and does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def set(self, **attributes: str | int) -> None:
        """What came of it. Never people's words or addresses."""


class Sending:
    """Messages of one request on their way into the log: `headers` for each record, in their order."""

    def __init__(self, headers: Sequence[dict[str, str]], hops: Sequence[Hop] = ()) -> None:
        self.headers = headers
        self._hops = hops

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each in self._hops:
            each.__exit__(kind, error, trace)
