"""Measures how long the calls of a port take and how they fail, the same for every adapter."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

from chat4all.model.failures import Mismatch, Permanent, RangeLost, Temporary, Unknown
from chat4all.telemetry import instruments, metrics

# They wait for others to bring something, or ask nobody.
UNTIMED = frozenset({"log.consume", "log.follow", "objects.read", "objects.sign_part", "objects.sign_get"})
KINDS = ((Temporary, "temporary"), (Unknown, "unknown"), (RangeLost, "lost"))


@cache
def timed(port: str, contract: type, adapter: type) -> type:
    """The adapter's class, each method of its contract counted and timed."""
    if not instruments.ON:
        return adapter
    names: frozenset[str] = getattr(contract, "__abstractmethods__", frozenset()) - {"close"}
    wrapped = {name: _timed(port, name, adapter) for name in names if f"{port}.{name}" not in UNTIMED}
    return type(adapter.__name__, (adapter,), {"__module__": adapter.__module__, "__doc__": adapter.__doc__, **wrapped})


def _timed(port: str, name: str, adapter: Any) -> Callable[..., Any]:
    clock = time.perf_counter
    # A series for each method that is used, not for each there is.
    put: Callable[[float], None] | None = None

    def run(self: object, *given: Any, **named: Any) -> Any:
        nonlocal put
        begun = clock()
        try:
            return getattr(adapter, name)(self, *given, **named)
        except (Permanent, Mismatch):
            raise
        except Exception as error:
            kind = next((word for kind, word in KINDS if isinstance(error, kind)), "error")
            metrics.CALL_FAILURES.of(port, name, kind).add()
            raise
        finally:
            if put is None:
                put = metrics.CALL_SECONDS.of(port, name)
            put(clock() - begun)

    return run
