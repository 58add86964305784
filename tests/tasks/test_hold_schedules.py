"""What is held under any order of sends, words of the person and late refusals: it goes out while that may be, and ends."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.causes import LATE_TRIES
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import OUTSIDE, Delivery, State, reason, standing, state
from chat4all.model.records import ProviderReceipt
from tasks.deferred_records import DeferredRunner
from tasks.follow_ups import LateReleaser
from tasks.outcomes.late_failures import RESEND
from tests.tasks.test_holds import ANNA, Bound, hears, held, note, say, serve
from tests.tasks.world import World, world

MESSAGES = (1, 2)
schedules = st.lists(st.sampled_from(["say 1", "say 2", "writes", "fails 1", "fails 2", "works", "looks"]), max_size=14)


class Told(Bound):
    """A provider that knows better than we do whether the window is open, and says so later: it takes everything."""


class Schedule:
    """Carries one out. `shut`: messages that were outside the window, as a receipt said after the person wrote last."""

    def __init__(self, road: World) -> None:
        self.road, self.channel = road, Told()
        self.said: set[int] = set()
        # As the provider counts: each event at a time of its own.
        self.at = now_ms() - 1000
        self.shut: set[str] = set()
        self.wrong: list[str] = []

    async def step(self, what: str) -> None:
        """One step; what makes no sense as it stands is passed over."""
        self.at += 1
        kind, _, number = what.partition(" ")
        if kind == "say" and int(number) not in self.said:
            self.said.add(int(number))
            say(self.road, held(int(number)))
        elif kind == "writes":
            self.shut.clear()
            note(self.road, self.at)
            hears(self.road)
        elif kind == "fails":
            self.fail(number)
        elif kind == "looks":
            self.look()
        elif kind == "works":
            await self.work()

    async def work(self) -> None:
        """Holders send what they may: nothing again that was outside the window until the person has written after that."""
        if not self.said:
            return
        before = len(self.channel.arrived)
        await serve(self.road, self.channel)
        self.wrong += [each.text for each in self.channel.arrived[before:] if each.text in self.shut]

    def fail(self, number: str) -> None:
        """The newest that was sent of a message was outside the window, says the provider, twice."""
        rows = [row for row in self.rows(number) if row.facts.sent_at and not row.facts.bounced_at]
        for row in rows[-1:]:
            self.shut.add(number)
            receipt = ProviderReceipt("whatsapp", "1", row.facts.provider_id, "failed", self.at, OUTSIDE, str(row.key))
            self.road.report(receipt, replace(receipt, at=self.at + 5))
            self.road.receive()

    def look(self) -> None:
        """What waits to be appended is due."""
        runner = DeferredRunner(self.road.parts, {RESEND: LateReleaser(self.road.parts)})
        runner.release(RESEND, [replace(each, due_at=0) for each in self.road.store.open_records(RESEND, 99)])
        self.road.run()

    async def end(self) -> None:
        """The person writes as often as it takes, and nothing fails any more."""
        for _ in range(2):
            for each in ("looks", "works", "writes", "works"):
                await self.step(each)

    def rows(self, number: str = "") -> list[Delivery]:
        """Those of this message, or of all, that are words."""
        words = [str(each) for each in MESSAGES] if not number else [number]
        return [row for row in self.road.rows() if getattr(row.payload, "text", "") in words]

    def check(self) -> None:
        """Each has ended: it came, or was refused so often that it is FAILED; and nothing waits for nothing."""
        assert self.wrong == []
        assert self.road.store.open_records(RESEND, 99) == []
        for number in self.said:
            first, *again = self.rows(str(number))
            newest = again[-1].facts if again else first.facts
            now = standing(first.facts, newest)
            assert state(now) in (State.SENT, State.FAILED)
            assert state(now) is State.SENT or (reason(now), len(again)) == (OUTSIDE, LATE_TRIES)
            sent = [each for each in self.channel.arrived if each.text == str(number)]
            assert len(sent) == 1 + len(again)
        assert not [row for row in self.rows() if row.facts.resends]


async def _run(steps: Sequence[str]) -> None:
    with TemporaryDirectory() as folder, world(Path(folder), partitions=1) as road:
        road.know(ANNA)
        made = Schedule(road)
        for each in steps:
            await made.step(each)
        await made.end()
        made.check()


BOUNCES: list[Any] = ["writes", "say 1", "works", *["fails 1", "looks", "works", "writes", "works"] * 4]


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(schedules)
@example(["writes", "say 1", "say 2", "works", "fails 1", "fails 2", "looks", "works"])
@example(["writes", "say 1", "works", "fails 1", "writes", "looks", "works"])
@example(BOUNCES)
def test_what_is_held_ends_and_never_goes_out_while_it_is_shut(steps: list[str]) -> None:
    """Also where a receipt says later that the window was shut after all: then it waits until the person writes after that."""
    asyncio.run(_run(steps))
