"""When providers say that something happened, in milliseconds UTC."""

import time


def now() -> int:
    """Milliseconds since 1970 UTC."""
    return int(time.time() * 1000)


def within_second(timestamp: str | int) -> int:
    """A time given in whole seconds: the end of that second, or now while it lasts; now also for 0, which is no time.

    Cut off at its beginning, a receipt would stand before the send that it answers. ValueError when it is no number.
    """
    seconds = int(timestamp)
    return min(seconds * 1000 + 999, now()) if seconds else now()
