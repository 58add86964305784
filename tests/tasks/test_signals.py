"""Signals go beside messages: few at once, seldom, never again, and whatever becomes of them no message notices."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from chat4all.model.deliveries import Lane
from chat4all.model.failures import Permanent, Temporary, Throttled, Unknown
from chat4all.model.signals import READ, TYPING, Signal
from chat4all.ports import Limits
from chat4all.telemetry.instruments import REGISTRY
from tasks.lanes.runner import LaneRunner
from tasks.lanes.signals import AT_ONCE, Signals
from tasks.lanes.throttle import Breaker
from tests.tasks.test_attempt import Fake
from tests.tasks.test_runner import wait_for
from tests.tasks.world import World, message, new_id, until, whatsapp, world

ANA = "+5511999990000"


class Seen(Fake):
    """Shows signals, or fails at them, or takes for ever. `asked`: all that it was asked to show."""

    limits: ClassVar[Limits] = Limits(  # type: ignore[misc]
        4096, 1000, 0, 1, True, frozenset({"sent"}), signals={TYPING: 4.0, READ: 60.0}
    )

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []
        self.trouble: Exception | None = None
        self.hangs = False

    async def signal(self, address: str, kind: str, about: str) -> None:
        self.asked.append((address, kind, about))
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble:
            raise self.trouble


def counted(outcome: str, kind: str = TYPING) -> float:
    """How many ended so."""
    labels = {"channel": "whatsapp", "kind": kind, "outcome": outcome}
    return REGISTRY.get_sample_value("chat4all_signals_total", labels) or 0.0


def typing(number: int = 0, about: str = "") -> Signal:
    return Signal("whatsapp", TYPING, f"{ANA}{number}", about)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(failures=3, probe_s=60)


async def ended(signals: Signals) -> None:
    await until(lambda: not signals._under_way)


async def test_each_address_in_its_time(seen: Seen, breaker: Breaker) -> None:
    """Said ten times at once it is shown once; what is about another message is something else."""
    signals = Signals(seen, breaker)
    before = counted("shown"), counted("dropped")
    for _ in range(10):
        signals.show(typing())
    signals.show(typing(1))
    signals.show(typing(about="wamid.2"))
    await ended(signals)
    assert seen.asked == [(f"{ANA}0", TYPING, ""), (f"{ANA}1", TYPING, ""), (f"{ANA}0", TYPING, "wamid.2")]
    assert (counted("shown") - before[0], counted("dropped") - before[1]) == (3, 9)


async def test_nothing_waits_for_a_place(seen: Seen, breaker: Breaker) -> None:
    """A provider that does not answer is asked a few times at once; the rest is dropped, and each call ends."""
    seen.hangs, signals = True, Signals(seen, breaker, limit_s=0.05)
    before = counted("failed")
    for number in range(100):
        signals.show(typing(number))
    await ended(signals)
    assert len(seen.asked) == AT_ONCE
    assert counted("failed") - before == AT_ONCE


@pytest.mark.parametrize("trouble", [Temporary("down"), Throttled("fast", 60), Unknown("lost"), TimeoutError()])
async def test_a_provider_in_trouble_is_left_alone(seen: Seen, breaker: Breaker, trouble: Exception) -> None:
    """The next one is dropped; and messages, which find out for themselves, are not held back."""
    seen.trouble, signals = trouble, Signals(seen, breaker)
    for number in range(5):
        signals.show(typing(number))
        await ended(signals)
    assert (len(seen.asked), breaker.in_a_row) == (1, 0)


@pytest.mark.parametrize("trouble", [Permanent("not_supported"), ValueError("odd")])
async def test_what_fails_by_itself_keeps_no_other_away(seen: Seen, breaker: Breaker, trouble: Exception) -> None:
    """A refusal, or a fault of our own, is about that one only."""
    seen.trouble, signals = trouble, Signals(seen, breaker)
    for number in range(3):
        signals.show(typing(number))
        await ended(signals)
    assert len(seen.asked) == 3


async def test_an_open_breaker_drops_them(seen: Seen, breaker: Breaker) -> None:
    """None is the probe."""
    for _ in range(3):
        breaker.failed(time.monotonic())
    signals = Signals(seen, breaker)
    signals.show(typing())
    assert (seen.asked, signals._under_way) == ([], set())


async def test_a_channel_is_asked_only_for_what_it_has(breaker: Breaker) -> None:
    """Of a channel without signals nothing is called."""
    before = counted("dropped")
    Signals(Fake(), breaker).show(typing())
    assert counted("dropped") - before == 1


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1, linger_ms=50) as made:
        made.know(*map(whatsapp, range(5)))
        yield made


@pytest.mark.parametrize("hangs", [True, False])
def test_messages_do_not_wait_for_signals(road: World, hangs: bool) -> None:
    """A thousand signals to a provider that never answers them, or is down for them; all messages leave, the worker ends."""
    seen = Seen()
    seen.hangs, seen.trouble = hangs, None if hangs else Temporary("down")
    runner = LaneRunner(road.parts, lambda *_: seen)
    runner.start()
    talk = new_id("conversation", "signals")
    road.say(*[message(talk, number, to=[whatsapp(number % 5)]) for number in range(50)])
    road.run()
    for number in range(1000):
        runner.signal(typing(number))
        if number == 500:
            runner.wake(Lane("whatsapp", 0))
    begun = time.monotonic()
    wait_for(lambda: len(seen.arrived) == 50)
    assert time.monotonic() - begun < 5
    assert 1 <= len(seen.asked) <= AT_ONCE
    runner.stop()
    assert all(row.facts.sent_at and row.facts.attempts == 1 for row in road.rows())


def test_an_account_that_cannot_be_opened_shows_nothing(road: World) -> None:
    """The signal is dropped; nothing waits for the account."""
    accounts = dict[str, Seen]()
    runner, before = LaneRunner(road.parts, lambda name, _: accounts[name]), counted("dropped")
    runner.start()
    runner.signal(typing())
    wait_for(lambda: counted("dropped") - before == 1)
    runner.stop()
