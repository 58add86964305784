"""What outgoing webhooks show of themselves: every figure moves when what it counts happens."""

from collections.abc import Callable, Mapping
from pathlib import Path

from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent
from chat4all.ports.webhooks import Webhook
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, REGISTRY, Histogram
from tests.tasks.webhook_world import add, receiving, say, signed, telling, wait_for
from tests.tasks.world import new_id, world

ONE, TWO = new_id("conversation", 1), new_id("conversation", 2)


def value(name: str, **labels: str) -> float:
    """Of a counter."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def grows(by: float, name: str, **labels: str) -> Callable[[], bool]:
    """Whether a counter has grown by at least this since now."""
    before = value(name, **labels)
    return lambda: value(name, **labels) >= before + by


def test_calls_and_what_waits_are_shown(tmp_path: Path) -> None:
    """Calls by outcome, how long they took, how old the oldest untold event is, and how many endpoints wait."""
    waiting, oldest = metrics.WEBHOOK_ENDPOINTS_WAITING, metrics.WEBHOOK_OLDEST_SECONDS
    told = grows(3, "chat4all_webhook_calls_total", outcome="told")
    failed = grows(1, "chat4all_webhook_calls_total", outcome="5xx")
    timed = grows(4, "chat4all_webhook_call_seconds_count")
    with world(tmp_path, partitions=1, webhook_schedule_scale=0.2) as road, receiving() as receiver:
        add(road, receiver, "/a")
        refused: list[str] = []

        def once(said: dict[str, object]) -> tuple[int, dict[str, str]]:
            refused.append(str(said["id"]))
            return (500 if len(refused) == 1 else 200), {}

        receiver.answers["/a"] = once
        with telling(road):
            say(road, ONE, 3)
            wait_for(lambda: READERS[waiting]()[()] == 1)
            wait_for(lambda: READERS[oldest]()[()] > 0.5)
            wait_for(lambda: len(receiver.of("/a")) == 3)
            wait_for(lambda: READERS[waiting]()[()] == READERS[oldest]()[()] == 0)
    Histogram.flush()
    assert told()
    assert failed()
    assert timed()


def test_an_endpoint_that_no_key_opens_is_shown(tmp_path: Path) -> None:
    """Nothing is sent to it; it is not shown any more once a key opens it."""
    sealed, calls = metrics.WEBHOOK_ENDPOINTS_SEALED, grows(1, "chat4all_webhook_calls_total", outcome="sealed")
    opens = [False]

    def headers(webhook: Webhook, event_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
        if not opens[0]:
            raise Permanent("sealed", "no key in CHAT4ALL_SECRET_SEAL opens it")
        return signed(webhook, event_id, at_s, body)

    with world(tmp_path, partitions=1, webhook_schedule_scale=0.02) as road, receiving() as receiver:
        add(road, receiver, "/a")
        with telling(road, headers):
            say(road, ONE, 2)
            wait_for(lambda: READERS[sealed]()[()] == 1)
            assert receiver.calls == []
            opens[0] = True
            wait_for(lambda: len(receiver.of("/a")) == 2)
            wait_for(lambda: READERS[sealed]()[()] == 0)
    assert calls()


def test_what_came_to_its_end_is_counted(tmp_path: Path) -> None:
    """An event that had all its tries, and an endpoint that is gone."""
    given_up = grows(1, "chat4all_webhook_events_given_up_total")
    disabled = grows(1, "chat4all_webhooks_disabled_total", reason="gone")
    with world(tmp_path, partitions=1, webhook_schedule_scale=1e-5) as road, receiving() as receiver:
        add(road, receiver, "/a")
        first: list[object] = []

        def answer(said: dict[str, object]) -> tuple[int, dict[str, str]]:
            first[:] = first or [said["seq"]]
            return (500 if said["seq"] == first[0] else 410), {}

        receiver.answers["/a"] = answer
        with telling(road, given_up_s=1e9):
            say(road, ONE, 2)
            wait_for(given_up)
            wait_for(disabled)


def test_what_the_log_forgot_is_counted(tmp_path: Path) -> None:
    """Nobody held the lane, or the endpoint was down, for longer than the log keeps events: it goes on behind them."""
    with world(tmp_path, partitions=1, webhook_schedule_scale=0.02) as road, receiving() as receiver:
        add(road, receiver, "/a")
        say(road, ONE, 5)
        road.log.trim("chat-events", now_ms() + 1_000)
        unheld = grows(5, "chat4all_webhook_events_lost_total")
        with telling(road):
            wait_for(unheld)
            say(road, ONE, 2, first=5)
            wait_for(lambda: len(receiver.of("/a")) == 2)
            down = [True]
            receiver.answers["/a"] = lambda _: (503 if down[0] else 200, {})
            say(road, TWO, 3, first=7)
            wait_for(lambda: len(receiver.calls) > 3)
            road.log.trim("chat-events", now_ms() + 1_000)
            late = grows(3, "chat4all_webhook_events_lost_total")
            down[0] = False
            wait_for(late)
            say(road, TWO, 1, first=10)
            wait_for(lambda: len(receiver.of("/a")) == 3)
