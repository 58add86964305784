"""What a worker tells Flower."""

from collections.abc import Callable
from typing import Any

from tasks.consumer import TELL_EVERY_S, Consumer
from tests.tasks.declared import declared


class Hub:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> None:
        """As kombu's."""
        self.later.append((delay, call))


class Dispatcher:
    """Counts publishes."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        """As Celery's."""
        self.flushed += 1


def made(hub: Any) -> tuple[Consumer, Dispatcher]:
    """A consumer with this hub, not connected to anything."""
    one: Any = Consumer.__new__(Consumer)
    one.hub, one.event_dispatcher = hub, Dispatcher()
    return one, one.event_dispatcher


def test_many_events_are_one_publish() -> None:
    """However many steps of tasks there are within half a second, the broker hears of them once."""
    hub = Hub()
    one, dispatcher = made(hub)
    for _ in range(100):
        one.on_send_event_buffered()
    [(delay, call)] = hub.later
    call()
    one.on_send_event_buffered()
    assert (delay, dispatcher.flushed, len(hub.later)) == (TELL_EVERY_S, 1, 2)


def test_a_forgotten_call_is_asked_for_again() -> None:
    """A hub that was reset never calls; a later event mends that."""
    hub, now = Hub(), [100.0]
    one, _ = made(hub)
    one.clock = lambda: now[0]
    one.on_send_event_buffered()
    now[0] += 2 * TELL_EVERY_S
    one.on_send_event_buffered()
    assert len(hub.later) == 2


def test_sweeps_are_no_news() -> None:
    """Flower shows batches, wake-ups and replays, not a line a second."""
    tasks = declared().tasks
    assert not tasks["sweep"].send_events
    assert not tasks["sweep_files"].send_events
