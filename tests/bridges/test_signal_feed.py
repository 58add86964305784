"""Who types and who is there, on streams: at once or never, in nobody's way, and hidden if one wishes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from msgspec.structs import replace

from bridges.streaming.cursor import Cursor
from bridges.streaming.frames import Frame
from bridges.streaming.hub import PASSING_BEHIND, Hub, Limits
from bridges.streaming.signal_feed import SignalFeed
from bridges.streaming.times import TIMES
from chat4all.model.clock import now_ms
from chat4all.model.events import Event, encode
from chat4all.model.failures import Temporary
from chat4all.model.passing import LATE_MS, presence_event, typing_event
from chat4all.model.presence import SILENT_S, Readers, Report
from chat4all.model.records import SIGNALS, NewRecord, Record
from chat4all.ports.presence import Seen
from chat4all.services.presence import Watch, report_record, wish_record
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import PARTITIONS, Reader, Road, serving
from tests.bridges.test_sse import opened

STILL_S = 0.4
QUICKLY = replace(TIMES, presence_s=0.05)


def types(road: Road, talk: str, user: str, at: int = 0) -> None:
    """What the gateway does when somebody types."""
    road.log.append([encode(typing_event(talk, user, at or now_ms(), PARTITIONS))], 5)


def reports(road: Road, report: Report) -> None:
    """What another stream process says."""
    road.log.append([report_record(report, PARTITIONS)], 5)


def hides(road: Road, user: str, *, hidden: bool) -> None:
    """What the gateway does when somebody wishes it."""
    road.store.hide_presence(user, hidden)
    road.log.append([wish_record(user, PARTITIONS)], 5)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this holds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def online(road: Road, *users: str) -> bool:
    """Whether these and nobody else are there, as the log says."""
    found = Watch(road.log).now()
    return found.online == len(users) and all(map(found.is_online, users))


def is_there(road: Road, user: str) -> bool:
    """Whether this user is there, as the log says."""
    return Watch(road.log).now().is_online(user)


@asynccontextmanager
async def reading(road: Road, user: str, **how: object) -> AsyncIterator[Reader]:
    """Somebody's stream, from where it is live."""
    token = road.client_token("crm", "manage") if user == "crm" else ""
    async with Reader(road, user, everything=user == "crm", token=token, **how) as reader:  # type: ignore[arg-type]
        await reader.caught_up()
        yield reader


async def next_of(reader: Reader, kind: str, user: str = "") -> pb.Event:
    """The next event of this kind, and about this user; others are passed over."""
    while True:
        for event in (await reader.frame()).events:
            if event.WhichOneof("kind") == kind and (not user or getattr(event, kind).user_id == user):
                return event


async def test_members_are_told_who_types(road: Road) -> None:
    """Over gRPC and as Server-Sent Events, under one id; neither the one who types nor who is no member is told."""
    talk = road.conversation("talk", "alice", "bob")
    async with AsyncExitStack() as here:
        await here.enter_async_context(serving(road))
        alice, bob, carol, crm = [
            await here.enter_async_context(reading(road, user)) for user in ("alice", "bob", "carol", "crm")
        ]
        async with opened(road, road.token("bob")) as page:
            while "id" not in await page.block():
                pass
            await asyncio.to_thread(types, road, talk, "alice")
            told, heard = await next_of(bob, "typing"), await next_of(crm, "typing")
            while (block := await page.block()).get("event") != "typing":
                pass
            said = json.loads(block["data"])
            assert (told.typing.conversation_id, told.typing.user_id, told.type) == (talk, "alice", "typing.updated")
            assert told.typing.until_ms > now_ms()
            assert {told.id, heard.id} == {said["id"]}
            await asyncio.to_thread(road.say, talk, "hello")
            for reader in (alice, bob):
                await next_of(reader, "message")
            frames = [event for reader in (alice, carol) for frame in reader.frames for event in frame.events]
            assert not any(event.HasField("typing") for event in frames)


async def test_who_answers_without_being_a_member_is_shown_to_those_who_answer(road: Road) -> None:
    """A member's stream says nothing of it."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), reading(road, "bob") as bob, reading(road, "crm") as crm:
        await asyncio.to_thread(types, road, talk, "carol")
        assert (await next_of(crm, "typing")).typing.user_id == "carol"
        await asyncio.to_thread(road.say, talk, "hello")
        await next_of(bob, "message")
        assert not any(event.HasField("typing") for frame in bob.frames for event in frame.events)


async def test_what_comes_late_is_dropped(road: Road) -> None:
    """Whether it was late in the log already, or while it waited for its reader."""
    talk = road.conversation("talk", "alice", "bob")
    event = encode(typing_event(talk, "alice", now_ms(), PARTITIONS))
    async with serving(road) as server, reading(road, "bob") as bob:
        signals = SignalFeed(road.log, road.store, server._hub, server._feed, Readers("other"))
        for age in (LATE_MS + 1_000, 0):
            await signals.take([Record(SIGNALS, 0, 0, talk, event.value, event.headers, now_ms() - age)])
        assert (await next_of(bob, "typing")).typing.user_id == "alice"
        late = typing_event(talk, "alice", now_ms(), PARTITIONS)
        late.at -= LATE_MS + 1_000
        server._hub.dispatch(late, ["bob"])
        await asyncio.to_thread(road.say, talk, "hello")
        await next_of(bob, "message")
    assert sum(event.HasField("typing") for frame in bob.frames for event in frame.events) == 1


def test_what_passes_is_never_behind_messages_and_moves_no_cursor() -> None:
    """A reader with much before them is not told; nor is one cut off for it; a cursor tells of the feed alone."""
    hub = Hub({0: -1}, Limits(events=PASSING_BEHIND))
    one = hub.subscribe("bob", {}, lambda: None)
    event = typing_event("talk", "alice", now_ms(), 1)
    for _ in range(3 * PASSING_BEHIND):
        hub.dispatch(event, ["bob"])
    assert not one.is_cut
    assert len(one.take(events=999)) == PASSING_BEHIND
    cursor = Cursor(at=5, caught=5, events={0: 3})
    before = cursor.encode()
    for each in (event, presence_event("alice", now_ms(), online=True)):
        Frame([each], cursor, with_time=True).encoded()
    assert cursor.encode() == before


async def test_who_shares_a_conversation_is_told_who_is_there(road: Road) -> None:
    """One of several streams that ends changes nothing; strangers are told nothing; REST's watch says the same."""
    road.conversation("talk", "alice", "bob")
    async with serving(road, times=QUICKLY), reading(road, "bob") as bob, reading(road, "crm") as crm, reading(road, "carol"):
        await until(lambda: online(road, "bob", "carol"))
        async with reading(road, "alice"), reading(road, "alice"):
            for reader in (bob, crm):
                assert (await next_of(reader, "presence", "alice")).presence.online
            await until(lambda: online(road, "alice", "bob", "carol"))
        seen = {event.presence.user_id for frame in bob.frames for event in frame.events if event.HasField("presence")}
        assert seen == {"alice"}


async def test_a_process_that_was_killed_takes_its_readers_with_it(road: Road) -> None:
    """Who is not back by then has gone, was last seen when it was heard last, and who shares a conversation is told."""
    road.conversation("talk", "alice", "bob")
    hub = Hub({0: -1})
    bob = hub.subscribe("bob", {}, lambda: None)
    signals = SignalFeed(road.log, road.store, hub, Nobody(), Readers("here"), tick_s=0.05)
    for process, users in (("killed", ("alice", "bob")), ("here", ("bob",))):
        reports(road, Report(process, users))
    await signals.start()
    try:
        await until(lambda: signals.present.online == 2)
        signals.present._processes["killed"].heard_at -= SILENT_S + 1
        await until(lambda: signals.present.online == 1)
        told: list[Event] = []

        def is_told() -> bool:
            told.extend(bob.take())
            return any(not online_of(each) for each in told)

        await until(is_told)
        assert {each.subject for each in told} == {"alice"}
        gone = pb.Event.FromString(told[-1].body).presence
        assert not gone.online
        await until(lambda: road.store.presences(["alice", "bob"]) == {"alice": Seen(gone.last_seen_ms)})
    finally:
        await signals.stop()


async def test_it_shows_for_how_long_nobody_has_heard_its_reports(road: Road) -> None:
    """They cannot be said, for a reason that is known or not; mended, they come. Who is hidden is not missed."""

    def unheard() -> float:
        return READERS[metrics.PRESENCE_UNHEARD]()[()]

    readers = Readers("here")
    signals = SignalFeed(road.log, road.store, Hub({0: -1}), Nobody(), readers, tick_s=0.05)
    await signals.start()
    try:
        road.store.hide_presence("carol", True)
        readers.opened("carol")
        await until(lambda: not readers.to_ask)
        await asyncio.sleep(3 * STILL_S)
        assert unheard() == 0
        road.faults.fail("presences", Temporary("away"))
        readers.opened("bob")
        await until(lambda: unheard() > STILL_S)
        road.faults.mend()
        await until(lambda: signals.present.is_online("bob") and unheard() < STILL_S)
        for failure in (Temporary("away"), RuntimeError("ours")):
            road.log_faults.fail("append", failure)
            readers.not_heard()
            await until(lambda: unheard() > STILL_S)
            road.log_faults.mend()
            await until(lambda: unheard() < STILL_S)
        readers.closed("bob", float("-inf"), now_ms())
        await until(lambda: unheard() == 0)
    finally:
        await signals.stop()


def online_of(event: Event) -> bool:
    """What an event of presence says."""
    return pb.Event.FromString(event.body).presence.online


class Nobody:
    """A feed that tells nobody."""

    async def dispatch(self, events: Sequence[Event]) -> None:
        raise AssertionError(events)


async def test_who_is_hidden_is_nowhere(road: Road) -> None:
    """From the beginning, or from when they wish it; and told as gone, without a time."""
    road.conversation("talk", "alice", "bob")
    road.store.hide_presence("alice", True)
    async with serving(road, times=QUICKLY), reading(road, "bob") as bob, reading(road, "alice"):
        await until(lambda: online(road, "bob"))
        await asyncio.to_thread(lambda: hides(road, "alice", hidden=False))
        assert (await next_of(bob, "presence")).presence.online
        await asyncio.to_thread(lambda: hides(road, "alice", hidden=True))
        gone = (await next_of(bob, "presence")).presence
        assert (gone.user_id, gone.online, gone.last_seen_ms) == ("alice", False, 0)
        await until(lambda: online(road, "bob"))
    assert road.store.presences(["alice"])["alice"].last_seen == 0


async def test_outages_and_garbage_end_nothing(road: Road) -> None:
    """What cannot be read is passed over; while store or log are away nothing is told, and all is when they are back."""
    talk = road.conversation("talk", "alice", "bob")
    broken = [{"kind": "typing", "seq": "x"}, {"kind": "presence"}, {"kind": "new", "v": "99"}, {}]
    road.log.append([NewRecord(SIGNALS, 0, "k", b"\xff", each) for each in broken], 5)
    async with serving(road, times=QUICKLY), reading(road, "bob") as bob:
        await until(lambda: online(road, "bob"))
        for port, name, user in ((road.log_faults, "append", "alice"), (road.faults, "presences", "carol")):
            tried = asyncio.Event()
            port.answer(name, partial(_away, asyncio.get_running_loop(), tried))
            async with reading(road, user):
                await asyncio.wait_for(tried.wait(), 5)
                assert not is_there(road, user)
                port.mend()
                await until(partial(is_there, road, user))
        await asyncio.to_thread(types, road, talk, "alice")
        assert (await next_of(bob, "typing")).typing.user_id == "alice"


def _away(loop: asyncio.AbstractEventLoop, tried: asyncio.Event, *_: object) -> None:
    loop.call_soon_threadsafe(tried.set)
    raise Temporary("away")


async def test_it_stops_while_the_store_is_away(road: Road) -> None:
    """Somebody types in a conversation that nobody can look up: the server still ends."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), reading(road, "bob"):
        tried = asyncio.Event()
        road.faults.answer("memberships", partial(_away, asyncio.get_running_loop(), tried))
        await asyncio.to_thread(types, road, talk, "alice")
        await asyncio.wait_for(tried.wait(), 5)
