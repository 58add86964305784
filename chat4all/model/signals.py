"""Signals: what people see in passing, such as that somebody types. Worth something for seconds, and promised by nobody.

They go beside the lanes: none waits behind a message, delays one, or is tried again.
"""

from collections.abc import Hashable
from threading import Lock

from msgspec import Struct

TYPING, READ, PRESSED = "typing", "read", "pressed"


class Signal(Struct, frozen=True):
    """What an address is to see on a channel, from an account (by the provider's id; empty: the channel's default).

    `kind`: typing, read, or pressed (the press of a button was heard). `about`: the provider's id of the newest message from
    there, or of the press; "" where nothing is known from there.
    """

    channel: str
    kind: str
    address: str
    about: str = ""
    account: str = ""


class Cadence:
    """How often something may be done: once in its interval. From many threads. `most`: how many things are remembered."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._again_at: dict[Hashable, float] = {}
        self._lock = Lock()

    def due(self, key: Hashable, interval_s: float, now: float) -> bool:
        """Whether it may be done now, which is noted. `now`: seconds that only go forward."""
        with self._lock:
            if self._again_at.get(key, now) > now:
                return False
            if len(self._again_at) >= self._most:
                self._forget(now)
            self._again_at[key] = now + interval_s
            return True

    def _forget(self, now: float) -> None:
        """Those whose time has passed; in a flood all of them: once too often does no harm, growing for ever does."""
        left = {key: at for key, at in self._again_at.items() if at > now}
        self._again_at = left if len(left) < self._most // 2 else {}
