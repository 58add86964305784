"""What is held waits in order, and goes on when the person writes: in whatever order holder and person are heard."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Content, Template
from chat4all.model.deliveries import CALLED_OFF, State, Withdrawn, reason, state
from chat4all.model.failures import Permanent
from chat4all.model.messages import Message, Origin
from chat4all.model.windows import WindowRule
from chat4all.ports import Outgoing
from chat4all.ports.holds import LaneKey
from chat4all.services.withdrawals import withdraw
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS
from tasks.lanes.reply_windows import LOOK_MS
from tasks.sweep import Sweeper
from tests.tasks.holders import LANE, Process
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", 1)
DAY_MS = 86_400_000
ANNA = whatsapp(1)


class Bound(Fake):
    """As WhatsApp has it: words go for a day after the person wrote, templates at any time."""

    limits = replace(Fake.limits, window=WindowRule(86_400, exempt=frozenset({"template"})), contents=frozenset({"template"}))

    async def send_content(self, message: Outgoing, content: Content) -> str:
        return await self.send_text(replace(message, text=content.name if isinstance(content, Template) else ""))


@pytest.fixture
async def road(tmp_path: Path) -> AsyncIterator[World]:
    with world(tmp_path, partitions=1) as made:
        made.know(ANNA, whatsapp(2))
        yield made


def held(number: int, **more: Any) -> Message:
    return replace(message(TALK, number, str(number), to=[ANNA]), holds=True, expires_at=now_ms() + 7 * DAY_MS, **more)


def template(number: int) -> Message:
    return replace(message(TALK, number, to=[ANNA]), payload=Template("come_back", "en"))


def say(road: World, *messages: Message) -> None:
    road.say(*messages)
    road.run()


def note(road: World, at: int) -> None:
    """What acceptance does before it appends what Anna wrote."""
    road.store.note_wrote({("whatsapp", ANNA.address): at}, {("whatsapp", ANNA.address, Fake().account.account_id): at})


def hears(road: World) -> None:
    """What persist does of it then."""
    number = len(road.rows()) + 1000
    origin = Origin("whatsapp", Fake().account.account_id, ANNA.address, f"wamid.{number}", now_ms())
    say(road, replace(message(TALK, number, "hi"), origin=origin, sender=ANNA.user_id))


def writes(road: World) -> None:
    """Anna writes."""
    note(road, now_ms())
    hears(road)


async def serve(road: World, channel: Fake) -> None:
    """Workers look at the lane whenever the sweep would have them look, until there is nothing to be done now."""
    for number in range(50):
        there = road.store.lanes()[LANE]
        if not (there.fanned > there.cursor or road.store.due([LANE], now_ms()) or road.store.openings()):
            return
        holder = Process(road, f"worker {number}", channel)
        await holder.work()
        await holder.thawed()
    raise AssertionError("there is always something to be done")


def said(channel: Fake) -> list[str]:
    return [each.text for each in channel.arrived]


def states(road: World) -> list[tuple[State, str]]:
    return [(state(row.facts), reason(row.facts)) for row in road.rows()]


async def test_what_is_held_goes_out_in_order_when_the_person_writes(road: World) -> None:
    """Until then nothing is called, and nothing ends."""
    channel = Bound()
    say(road, held(1), held(2))
    await serve(road, channel)
    say(road, held(3))
    await serve(road, channel)
    assert said(channel) == []
    assert {row.facts.attempts for row in road.rows()} == {0}
    writes(road)
    await serve(road, channel)
    assert said(channel) == ["1", "2", "3"]
    assert (road.store.waiting(LANE), road.store.openings()) == ([], [])
    assert road.store.held_keys([("whatsapp", "", ANNA.address)]) == []


async def test_an_open_window_holds_nothing(road: World) -> None:
    """Not one in its last minute, though: the call might come too late."""
    channel = Bound()
    note(road, now_ms() - 3_600_000)
    say(road, held(1))
    await serve(road, channel)
    assert said(channel) == ["1"]
    road.store.note_wrote({}, {("whatsapp", whatsapp(2).address, "account"): now_ms() - DAY_MS + 30_000})
    say(road, replace(held(2), recipients=(whatsapp(2),), conversation_id=new_id("other")))
    await serve(road, channel)
    assert said(channel) == ["1"]


async def test_a_template_goes_out_past_what_is_held(road: World) -> None:
    """Else the person would never hear it, and the window never open; the rest stays in order."""
    channel = Bound()
    say(road, held(1), template(2), held(3))
    await serve(road, channel)
    assert said(channel) == ["come_back"]
    say(road, template(4))
    await serve(road, channel)
    assert said(channel) == ["come_back"] * 2
    writes(road)
    await serve(road, channel)
    assert said(channel)[2:] == ["1", "3"]


async def test_what_nobody_answers_is_cancelled_when_its_time_is_over(road: World) -> None:
    """CANCELLED expired: no dead letter; what is behind it is held on."""
    channel = Bound()
    say(road, replace(held(1), expires_at=now_ms() + 200), held(2))
    await serve(road, channel)
    await asyncio.sleep(0.25)
    await serve(road, channel)
    assert states(road) == [(State.CANCELLED, "expired"), (State.PENDING, "")]
    assert list(road.store.dead_letters(f"{datetime.now(UTC):%Y-%m-%d}", 9)) == []
    writes(road)
    await serve(road, channel)
    assert said(channel) == ["2"]


@pytest.mark.parametrize("number", [1, 2])
async def test_what_is_held_is_cancelled_by_whoever_wants_it(road: World, number: int) -> None:
    """The first of what is held, and one behind it, at once; the others stay."""
    channel = Bound()
    say(road, held(1), held(2))
    await serve(road, channel)
    row = road.rows()[number - 1]
    withdraw(road.store, [row.key], Withdrawn(now_ms(), CALLED_OFF, "alice"))
    road.store.open_keys([LaneKey(LANE, TALK, ANNA.address)])
    await serve(road, channel)
    assert states(road)[number - 1] == (State.CANCELLED, "cancelled")
    writes(road)
    await serve(road, channel)
    assert said(channel) == [str(3 - number)]


async def test_a_provider_that_says_it_is_shut_is_believed_until_the_person_writes_again(road: World) -> None:
    """Its clock counts; it is not asked again and again."""
    channel = Bound()
    note(road, now_ms() - 3_600_000)
    channel.failure = Permanent("outside_window")
    say(road, held(1))
    await serve(road, channel)
    assert [(row.facts.attempts, row.facts.refusals, state(row.facts)) for row in road.rows()] == [(1, 1, State.PENDING)]
    assert road.store.waiting(LANE)[0].retry_at > now_ms() + LOOK_MS - 60_000
    channel.failure = None
    writes(road)
    await serve(road, channel)
    assert said(channel) == ["1"]


async def test_a_row_behind_what_was_held_is_as_old_as_its_turn(road: World) -> None:
    """It waited for days, by no fault of its own: it is tried, and does not end as too old."""
    channel = Bound()
    old = now_ms() - 3 * DAY_MS
    say(road, held(1, accepted_at=old), replace(message(TALK, 2, "2", to=[ANNA]), accepted_at=old))
    await serve(road, channel)
    assert states(road) == [(State.PENDING, "")] * 2
    writes(road)
    await serve(road, channel)
    assert said(channel) == ["1", "2"]


async def test_what_is_held_is_counted(road: World) -> None:
    """How many keys, and for how long the first of them is; nothing when they have gone on."""
    channel = Bound()
    say(road, held(1, accepted_at=now_ms() - 60_000), held(2))
    await serve(road, channel)
    Sweeper().sweep(road.parts)
    assert READERS[metrics.HELD_KEYS]()["whatsapp",] == 1
    assert 60 <= READERS[metrics.HELD_OLDEST]()["whatsapp",] < 90
    writes(road)
    await serve(road, channel)
    assert set(Sweeper().holds(road.parts).values()) == {(0, 0.0)}


# No wake-up is lost

Step = Callable[[], None]


@pytest.mark.parametrize("noted", range(8))
@pytest.mark.parametrize("heard", range(8))
async def test_no_wake_up_is_lost_whenever_the_person_writes(road: World, noted: int, heard: int) -> None:
    """They write as the holder is about to do whatever it does: noted before that step, heard of before this one, in order.

    What was held goes out without waiting for the next look in an hour.
    """
    if heard < noted:
        return
    channel, calls = Bound(), iter(range(10_000))
    steps: dict[int, list[Step]] = {noted: [lambda: note(road, now_ms())]}
    steps.setdefault(heard, []).append(lambda: hears(road))
    watched = {"last_wrote", "hold_keys", "record", "held_keys", "waiting"}
    say(road, held(1))
    holder = Process(road, "first", channel)
    real = holder.store._store

    class Between:
        """Does what is planned before each call that matters."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(real, name)

            def call(*given: Any, **more: Any) -> Any:
                if name in watched and (name != "record" or (len(given) > 3 and given[3])):
                    for step in steps.pop(next(calls), []):
                        step()
                return found(*given, **more)

            return call

    holder.store._store = Between()
    await holder.work()
    await holder.thawed()
    for left in sorted(steps):
        for step in steps[left]:
            step()
    await serve(road, channel)
    assert said(channel) == ["1"]


class Meta(Bound):
    """As Messenger has it: for a week what people write goes on, if it says so."""

    limits = replace(Bound.limits, window=WindowRule(86_400, human_s=7 * 86_400))

    def __init__(self) -> None:
        super().__init__()
        self.tagged: list[tuple[str, bool]] = []

    async def send_text(self, message: Outgoing) -> str:
        self.tagged.append((message.text, message.as_human))
        return await super().send_text(message)


@pytest.mark.parametrize(
    ("ago_ms", "tagged"),
    [(3_600_000, False), (DAY_MS - 5_000, False), (DAY_MS + 5_000, True), (6 * DAY_MS, True), (8 * DAY_MS, False)],
)
async def test_what_a_person_wrote_says_so_after_the_window_only(road: World, ago_ms: int, tagged: bool) -> None:
    """Decided when it is sent; what a bot says never does."""
    channel = Meta()
    note(road, now_ms() - ago_ms)
    say(road, message(TALK, 1, "person", to=[replace(ANNA, as_human=True)]), message(TALK, 2, "bot", to=[ANNA]))
    await serve(road, channel)
    assert channel.tagged == [("person", tagged), ("bot", False)]


async def test_what_a_person_wrote_is_not_held_while_it_may_go(road: World) -> None:
    """After the week it waits, and goes untagged when Anna writes."""
    channel = Meta()
    note(road, now_ms() - 2 * DAY_MS)
    human = (replace(ANNA, as_human=True),)
    say(road, replace(held(1), recipients=human))
    await serve(road, channel)
    assert channel.tagged == [("1", True)]
    road.store.note_wrote({}, {("whatsapp", ANNA.address, Fake().account.account_id): now_ms() - DAY_MS})
    say(road, held(2))
    await serve(road, channel)
    assert channel.tagged == [("1", True)]
    writes(road)
    await serve(road, channel)
    assert channel.tagged == [("1", True), ("2", False)]
