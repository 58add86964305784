"""Waiting for something to become so, with an end."""

import time
from collections.abc import Callable


def wait_until(what: str, question: Callable[[], bool], patience_s: float, between_s: float = 0.1) -> float:
    """Ask until the answer is True; seconds that took. TimeoutError naming `what` when it does not come in time."""
    began = time.monotonic()
    while not question():
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"not within {patience_s:.0f} s: {what}")
        time.sleep(between_s)
    return time.monotonic() - began
