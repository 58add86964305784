"""Whoever was away is told everything that they were not told, by when it was learned; or that they must ask again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from msgspec.structs import replace

from bridges.streaming.backlog import Backlog
from bridges.streaming.cursor import Cursor
from bridges.streaming.history import HistoryReader, must_reload
from bridges.streaming.hub import Hub, Limits
from bridges.streaming.sessions import Sessions
from chat4all.model.clock import now_ms
from chat4all.model.content import Reaction, Text
from chat4all.model.conversations import Conversation, ConversationType, User, UserKind
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, Watermark
from chat4all.model.events import Event, encode
from chat4all.model.forwarded import ProviderCall, forwarded_event
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import Position, ProviderReceipt, partition_of
from chat4all.ports import MessageStore
from chat4all.telemetry.instruments import REGISTRY
from chat4all.v1 import chat_pb2 as pb
from tasks.lanes.writer import Sent, write_all
from tests.bridges.road import PARTITIONS, Reader, Road, kinds, serving, texts
from tests.bridges.test_sse import opened
from tests.tasks.world import World, message, new_id, whatsapp, world

DAY_MS = 86_400_000


# What a resume tells.


@pytest.fixture
def one(tmp_path: Path) -> Iterator[World]:
    """A road with one partition."""
    with world(tmp_path, partitions=1) as road:
        yield road


def found(road: World, name: str, *users: str) -> str:
    conversation = new_id(name)
    road.store.add_conversations([(Conversation(conversation, ConversationType.GROUP, users[0], 1), users)])
    return conversation


def told(road: World, user: str, cursor: Cursor) -> list[pb.Event]:
    return [pb.Event.FromString(each.body) for chunk in HistoryReader(road.store, 1).changes(user, cursor) for each in chunk]


def away(seconds: int, seq: int = 10_000) -> Cursor:
    """A reader's cursor who heard everything until so long ago."""
    at = now_ms() - 1000 * seconds
    return Cursor(positions={0: seq}, at=at, caught=at)


def states(events: list[pb.Event]) -> list[str]:
    return [each.state.state for each in events if each.HasField("state")]


@pytest.mark.parametrize("later", [0, 150])
def test_a_state_that_was_learned_late_is_told(one: World, later: int) -> None:
    """A webhook brings "read, five minutes ago" while the reader is away; and so many messages have come since."""
    talk, now = found(one, "c", "alice", "bob"), now_ms()
    one.say(message(talk, 1, to=[whatsapp(1)], accepted_at=now - 600_000))
    one.run()
    [row] = one.rows()
    sent = Facts(attempts=1, sent_at=now - 599_000, provider_id="w1")
    write_all(one.parts, [Sent(row, sent, now - 599_000)])
    one.say(*(message(talk, 2 + number) for number in range(later)))
    one.run()
    one.report(ProviderReceipt("whatsapp", "acc", "w1", "read", now - 300_000, reference=str(row.key)))
    one.receive()
    assert states(told(one, "alice", away(5))) == ["READ"]
    assert states(told(one, "mallory", away(5))) == []


@pytest.mark.parametrize("reactions", [0, 99, 100, 350])
def test_what_changes_a_message_is_not_counted_among_the_newest(one: World, reactions: int) -> None:
    """A new reader is told the state of the message before a hundred reactions to it; and of a hundred messages, no more."""
    talk, first = found(one, "c", "alice", "bob"), message(new_id("c"), 1, to=[whatsapp(1)])
    one.say(first)
    one.say(*(replace(message(talk, 10 + each), payload=Reaction(first.message_id, "👍")) for each in range(reactions)))
    one.say(*(message(talk, 1000 + each) for each in range(99)))
    one.run()
    row = next(row for row in one.rows() if row.key.seq == 1)
    write_all(one.parts, [Sent(row, Facts(attempts=1, sent_at=now_ms(), provider_id="w1"), now_ms())])
    assert states(told(one, "alice", Cursor())) == ["SENT"]
    one.say(message(talk, 2))
    one.run()
    assert states(told(one, "alice", Cursor())) == []


def test_a_position_that_was_learned_late_is_told(one: World) -> None:
    """Accepted, and then the pipeline stood for two minutes."""
    talk = found(one, "c", "alice", "bob")
    one.say(message(talk, 1))
    one.run()
    one.report(Position(talk, "bob", "read", 1, now_ms() - 130_000))
    one.receive()
    [position] = [each.position for each in told(one, "alice", away(5)) if each.HasField("position")]
    assert (position.user_id, position.read_up_to) == ("bob", 1)


def test_how_far_who_answers_has_read_is_told_to_no_member_who_resumes(one: World) -> None:
    """Not as what was learned meanwhile, and not to a new reader."""
    talk = found(one, "c", "alice", "bob")
    one.say(message(talk, 1))
    one.run()
    one.report(Position(talk, "crm", "read", 1, now_ms()))
    one.report(Position(talk, "bob", "read", 1, now_ms()))
    one.receive()
    for cursor in (away(5), Cursor()):
        assert [each.position.user_id for each in told(one, "alice", cursor) if each.HasField("position")] == ["bob"]


def test_what_a_frozen_worker_tells_late_is_told_to_who_was_away_by_then(one: World) -> None:
    """Two minutes between writing a fact and publishing it: it counts as learned when it was published."""
    talk = found(one, "c", "alice", "bob")
    one.say(message(talk, 1, to=[whatsapp(1)]))
    one.run()
    [row] = one.rows()
    sent = Sent(row, Facts(attempts=1, sent_at=1, provider_id="w1"), 1)
    write_all(one.parts, [sent], clock=lambda: now_ms() - 120_000)
    assert states(told(one, "alice", away(5))) == ["SENT"]


def test_a_receipt_repeated_tells_who_was_away_meanwhile(one: World) -> None:
    """A first run that died before it published: what the rerun tells is learned at the rerun."""
    talk = found(one, "c", "alice", "bob")
    one.say(message(talk, 1, to=[whatsapp(1)]))
    one.run()
    [row] = one.rows()
    one.store.record({row.key: Facts(sent_at=1, provider_id="w", read_at=9)})
    one.report(ProviderReceipt("whatsapp", "acc", "w", "read", 9, reference=str(row.key)))
    one.receive()
    assert states(told(one, "alice", away(5))) == ["READ"]


def test_what_failed_at_once_is_told(one: World) -> None:
    """No address on the channel: FAILED from the beginning, also for who was away."""
    talk = found(one, "c", "alice", "bob")
    one.say(message(talk, 1, to=[Recipient("bob", "whatsapp", "")]))
    one.run()
    assert states(told(one, "alice", away(5))) == ["FAILED"]


def test_a_rejection_is_told_to_its_sender_after_a_resume(one: World) -> None:
    """The id was taken by another body; the others never hear of it."""
    talk = found(one, "c", "alice", "bob")
    one.say(message(talk, 1), message(talk, 1, "another"))
    one.run()
    [event] = [each for each in told(one, "alice", away(5)) if each.HasField("rejected")]
    assert event.event_id in {each.event_id for each in published(one)}
    assert "rejected" not in kinds(told(one, "bob", away(5)))


def published(road: World) -> list[pb.Event]:
    spans = road.everything("chat-events").ranges
    return [pb.Event.FromString(record.value) for record in road.log.read("chat-events", spans, 5)]


def test_who_was_removed_while_away_is_told(one: World) -> None:
    """And who joined; who had left before hears no more of it."""
    talk = found(one, "c", "alice", "bob", "carol")
    one.store.change_members(talk, 1, [], ["carol"])
    time.sleep(0.01)
    cursor = Cursor(at=now_ms(), caught=now_ms() + 60_000)
    one.store.change_members(talk, 2, ["dave"], ["bob"])
    assert {user: kinds(told(one, user, cursor)) for user in ("alice", "bob", "carol", "dave")} == {
        "alice": ["conversation"],
        "bob": ["conversation"],
        "carol": [],
        "dave": ["conversation"],
    }


def test_partitions_that_lag_are_told_from_where_they_were(tmp_path: Path) -> None:
    """A stream that broke while one partition was two minutes behind another: nothing of the slow one is missed."""
    with world(tmp_path, partitions=2) as road:
        slow, fast = (next(n for n in map(str, range(99)) if partition_of(new_id(n), 2) == each) for each in (0, 1))
        talk, now = found(road, slow, "alice", "bob"), now_ms()
        found(road, fast, "alice", "bob")
        road.store.raise_watermarks([Watermark(talk, "bob", 1, 1)])
        cursor = Cursor(positions={0: 9, 1: 9})
        cursor.catch_up(now - 500_000)
        cursor.tell(1, now + 200_000)
        again = Cursor.decode(cursor.encode())
        found_ = [each for chunk in HistoryReader(road.store, 2).changes("alice", again) for each in chunk]
        assert [each.kind for each in found_ if each.conversation_id == talk] == ["conversation", "position"]
        again.tell(0, now + 200_000)
        assert not [each for chunk in HistoryReader(road.store, 2).changes("alice", again) for each in chunk]


def reloads(reason: str) -> float:
    """How often somebody was told to begin anew for this."""
    return REGISTRY.get_sample_value("chat4all_stream_reloads_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (Cursor(), ""),
        (away(5), ""),
        (away(6 * 86_400), ""),
        (away(8 * 86_400), "away_too_long"),
        (Cursor(positions={0: 1}, at=1_764_439_200_000), "old_cursor"),
    ],
)
async def test_who_cannot_be_told_everything_is_told_to_reload(road: Road, cursor: Cursor, reason: str) -> None:
    """Away for longer than is kept, or with a cursor of the last release: once, before anything else, over gRPC and SSE."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one")
    assert must_reload(cursor) == reason
    before = reloads(reason)
    async with serving(road):
        cursor.log = road.log.topic("chat-incoming").identity
        cursor.positions = dict.fromkeys(range(PARTITIONS), 0) if cursor.at else {}
        text = cursor.encode() if cursor.at else ""
        async with Reader(road, "alice", text) as alice:
            events = await alice.caught_up()
        assert [each.reload.reason for each in events if each.HasField("reload")] == ([reason] if reason else [])
        assert texts(events) == ["one"]
        async with Reader(road, "alice", alice.cursor) as alice:
            assert "reload" not in kinds(await alice.caught_up())
        async with opened(road, road.token("alice"), text) as page:
            block = await page.block()
            assert (block["event"] == "reload", reason in block["data"]) == (bool(reason), True)
    assert reloads(reason) - before == (2 if reason else 0)


# What never goes back.


async def test_a_state_that_is_published_late_is_not_told_after_a_restart(road: Road) -> None:
    """A new server has heard nothing: what was learned long before it was published is looked up; also positions."""
    talk = road.conversation("talk", "alice", "bob")
    row, mark = delivery_in(road, talk), Watermark(talk, "bob", 3, 1, 2, 1)
    road.store.put_deliveries([row])
    road.store.record({row.key: Facts(sent_at=5, provider_id="p", delivered_at=6)})
    road.store.raise_watermarks([mark])
    async with serving(road), Reader(road, "alice", kept_cursor(road)) as alice:
        await alice.caught_up()
        late = now_ms() - 120_000
        await asyncio.to_thread(road.tell_late, row.seen(Facts(sent_at=5)), Watermark(talk, "bob", 2, 1, 2, 1), late)
        await asyncio.to_thread(road.tell_late, row.seen(Facts(read_at=7)), Watermark(talk, "bob", 4, 1, 2, 1), late)
        events = await alice.events(2)
    assert states(events) == ["READ"]
    assert [each.position.delivered_up_to for each in events if each.HasField("position")] == [4]


async def test_positions_do_not_go_back_after_a_resume(road: Road) -> None:
    """What waits while the store is asked is older than its answer, and is dropped; equal ones may come again."""
    talk = road.conversation("talk", "alice", "bob")
    marks = [Watermark(talk, "bob", seq, 1, seq // 2, 1) for seq in (1, 2, 3, 4)]
    async with serving(road), Reader(road, "alice") as alice:
        await alice.caught_up()
        cursor = alice.cursor
    for mark in marks:
        await asyncio.to_thread(road.tell_position, mark)
    async with serving(road), Reader(road, "alice", cursor) as alice:
        events = await alice.caught_up()
        await asyncio.to_thread(road.publish_position, marks[1])
        await asyncio.to_thread(road.tell_position, Watermark(talk, "bob", 5, 1, 5, 1))
        events += await alice.events(1)
    seen = [(each.position.delivered_up_to, each.position.read_up_to) for each in events if each.HasField("position")]
    assert seen == [(4, 2), (5, 5)]


def delivery_in(road: Road, talk: str) -> Delivery:
    [said] = road.say(talk, "out")
    key = DeliveryKey(Lane("whatsapp", partition_of(talk, PARTITIONS)), said.seq, 0)
    return Delivery(key, talk, said.message_id, "bob", "+1", said.payload, now_ms())


def kept_cursor(road: Road) -> str:
    """Of a reader who has heard everything."""
    at = now_ms() + 120_000
    return Cursor(dict.fromkeys(range(PARTITIONS), 2**50), at, road.log.topic("chat-incoming").identity, at).encode()


# Readers in many conversations.


class Slow:
    """A store that takes its time for every call, as a quorum over a network does."""

    def __init__(self, store: MessageStore, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self.calls = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def slowly(*args: Any) -> Any:
            self.calls += 1
            time.sleep(self._seconds)
            return method(*args)

        return slowly


def crowd(road: World, count: int, since: int) -> list[str]:
    """So many conversations of alice, in each of which a delivery has changed."""
    names = [new_id("many", number) for number in range(count)]
    users = [User(name, UserKind.PERSON, 1) for name in ("alice", "bob")]
    road.store.add_users(users)
    road.store.add_conversations([(Conversation(name, ConversationType.GROUP, "alice", 1), ["alice", "bob"]) for name in names])
    said = [
        Message(new_id("m", name), name, "bob", Text("hello"), 1, 1, recipients=(whatsapp(1),), seq=since + 1 + place)
        for place, name in enumerate(names)
    ]
    road.store.put_messages(said)
    rows = [
        Delivery(DeliveryKey(Lane("whatsapp", 0), each.seq, 0), each.conversation_id, each.message_id, "c", "+1", Text("x"), 1)
        for each in said
    ]
    road.store.put_deliveries(rows)
    write_all(road.parts, [Sent(row, Facts(attempts=1, sent_at=1, provider_id="p"), 1) for row in rows])
    return names


@asynccontextmanager
async def traffic(hub: Hub, names: list[str], a_second: int) -> AsyncIterator[None]:
    """Live events beside everything."""

    async def run() -> None:
        number = 0
        while True:
            for _ in range(a_second // 20):
                number += 1
                about = f"whatsapp:0:{10**6 + number}:0"
                hub.dispatch(
                    Event("state", names[number % len(names)], 0, b"x" * 200, subject=about, rank=1, at=now_ms()), ["alice"]
                )
            await asyncio.sleep(0.05)

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        running.cancel()


@pytest.mark.parametrize("is_new", [False, True])
async def test_a_reader_in_2000_conversations_gets_live(one: World, is_new: bool) -> None:
    """3 ms a store call, 300 events a second, a small buffer: all 2,000 changes are told, and then it is live."""
    names = await asyncio.to_thread(crowd, one, 2_000, 0)
    hub = Hub({0: 2_000}, Limits(events=150))
    slow: Any = Slow(one.store, 0.003)
    heard: set[str] = set()
    with ThreadPoolExecutor(2) as pool:
        async with asyncio.timeout(15), traffic(hub, names, 300):
            steps = Sessions(hub, HistoryReader(slow, 1), pool).follow("alice", Cursor() if is_new else away(5, 2_000))
            async for step in steps:
                heard |= {each.about for each in step.events}
                if not step.events:
                    break
            await steps.aclose()
    assert {f"whatsapp:0:{seq}:0" for seq in range(1, 2_001)} <= heard
    assert slow.calls < 200


async def test_what_a_full_buffer_let_go_of_is_read_again(one: World) -> None:
    """More live events than fit while the past is read: states and messages come from the store in another round."""
    talk = found(one, "c", "alice", "bob")
    hub = Hub({0: 0}, Limits(events=3))
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Paused(HistoryReader):
        def changes(self, user: str, cursor: Cursor, names: Any = None) -> Iterator[list[Event]]:
            yield from super().changes(user, cursor, names)
            if names is None:
                asyncio.run_coroutine_threadsafe(live(), loop).result()

    async def live() -> None:
        await asyncio.to_thread(say_much)
        for number, event in enumerate(published(one)):
            kind = event.WhichOneof("kind") or ""
            seq = event.message.seq if kind == "message" else -1
            hub.dispatch(Event(kind, talk, 0, event.SerializeToString(), seq, 1, subject=f"{number}", at=now_ms()), ["alice"])
        begun.set()

    def say_much() -> None:
        one.say(*(message(talk, number, to=[Recipient("bob", "whatsapp", "")]) for number in range(9)))
        one.run()

    events: list[pb.Event] = []
    with ThreadPoolExecutor(2) as pool:
        async with asyncio.timeout(15):
            async for step in Sessions(hub, Paused(one.store, 1), pool).follow("alice", away(5, 0)):
                events += [pb.Event.FromString(each.body) for each in step.events]
                if not step.events:
                    break
    assert begun.is_set()
    assert [each.message.seq for each in events if each.HasField("message")] == list(range(1, 10))
    assert states(events) == ["FAILED"] * 9


def test_messages_of_many_conversations_come_by_seq(one: World) -> None:
    """Whatever is held at once, and wherever the pages end."""
    names = [found(one, f"c{number}", "alice") for number in range(7)]
    said = [
        Message(new_id("m", seq), names[seq % 7 if seq % 5 else 0], "bob", Text("x"), 1, 1, seq=seq) for seq in range(1, 400)
    ]
    one.store.put_messages(said)
    for held in (1, 90, 10_000):
        parts = HistoryReader(one.store, 1, at_once=held).messages("alice", Cursor(positions={0: 20}), {0: 390})
        assert [each.seq for chunk in parts for each in chunk] == list(range(21, 391))


def catching_up(road: World, cursor: Cursor, horizon: dict[int, int]) -> Iterator[list[Event]]:
    """Alice's first catching up, step by step; the cursor moves with each step, as frames move it."""
    for chunk in HistoryReader(road.store, len(horizon)).messages("alice", cursor, horizon):
        for each in chunk:
            cursor.reach(each.partition, each.seq)
        yield chunk


@pytest.mark.parametrize("acknowledged", ["while away", "before", "both"])
def test_who_is_cut_off_while_they_catch_up_first_gets_what_another_client_acknowledged_since(
    tmp_path: Path, acknowledged: str
) -> None:
    """Their first frame had one partition; another client of theirs read the other. What had been read before stays away."""
    with world(tmp_path, partitions=2) as road:
        names = {partition_of(name, 2): name for name in (found(road, f"c{number}", "alice") for number in range(8))}
        road.store.put_messages(
            [Message(new_id("m", seq), names[seq % 2], "bob", Text("x"), 1, 1, seq=seq) for seq in range(1, 21)]
        )
        if acknowledged != "while away":
            road.store.raise_watermarks([Watermark(names[1], "alice", 5, now_ms() - 600_000)])
        cursor = Cursor()
        steps = catching_up(road, cursor, {0: 20, 1: 19})
        assert [each.seq for each in next(steps)] == list(range(2, 21, 2))
        kept = cursor.encode()
        if acknowledged != "before":
            road.store.raise_watermarks([Watermark(names[1], "alice", 19, now_ms())])
        road.store.put_messages([Message(new_id("m", 21), names[1], "bob", Text("x"), 1, 1, seq=21)])
        again = [each.seq for chunk in catching_up(road, Cursor.decode(kept), {0: 20, 1: 21}) for each in chunk]
        assert again == list(range(1 if acknowledged == "while away" else 7, 22, 2))


# Everything, for who manages.


async def test_a_manager_hears_every_conversation(road: Road) -> None:
    """From now on, strangers' too; a resume is without a gap or a repeat, over a restart as well."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "before")
    token = road.client_token("crm", "manage")
    async with serving(road):
        async with Reader(road, "crm", token=token, everything=True) as crm:
            assert await crm.caught_up() == []
            first = await asyncio.to_thread(road.say, talk, "one")
            assert texts(await crm.events(1)) == ["one"]
        await asyncio.to_thread(road.say, road.conversation("other", "bob"), "two", sender="bob")
        road.publish(first)
        road.tell_position(Watermark(talk, "bob", 1, 1))
    road.say(talk, "three")
    async with serving(road), Reader(road, "crm", crm.cursor, token=token, everything=True) as crm:
        events = await crm.caught_up()
        assert sorted(texts(events)) == ["three", "two"]
        assert "position" in kinds(events)
        await asyncio.to_thread(road.say, talk, "four")
        assert texts(await crm.events(1)) == ["four"]
    async with serving(road), opened(road, token, crm.cursor, "?all=true") as page:
        await asyncio.to_thread(road.say, talk, "five")
        blocks = [await page.block() for _ in range(2)]
        assert any("five" in block.get("data", "") for block in blocks)


async def test_a_manager_who_does_not_keep_up_while_catching_up_misses_nothing(road: Road) -> None:
    """More events than the buffer holds between the cursor and now."""
    talk = road.conversation("talk", "alice", "bob")
    token = road.client_token("crm", "manage")
    async with serving(road, Limits(events=5)):
        async with Reader(road, "crm", token=token, everything=True) as crm:
            await crm.caught_up()
        await asyncio.to_thread(road.say, talk, *map(str, range(60)))
        told: list[str] = []
        while len(told) < 60:
            async with Reader(road, "crm", crm.cursor, token=token, everything=True) as crm:
                try:
                    while len(told) < 60:
                        told += texts(list((await crm.frame()).events))
                except grpc.aio.AioRpcError as error:
                    # The server may not have read them before it says that all is caught up; then they are too many at once.
                    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert told == [str(number) for number in range(60)]


async def test_what_providers_sent_is_told_to_no_stream(road: Road) -> None:
    """Neither live nor to who resumes, though they hear everything; what comes behind it is told."""
    talk = road.conversation("talk", "alice", "bob")
    token = road.client_token("crm", "manage")
    partition = partition_of(talk, PARTITIONS)

    def sends() -> None:
        said = forwarded_event(ProviderCall("whatsapp", "1", {}, b"{}"), now_ms(), PARTITIONS)
        assert said is not None
        road.log.append([encode(replace(said, partition=partition))], 5)

    async with serving(road):
        async with Reader(road, "crm", token=token, everything=True) as crm:
            await crm.caught_up()
            sends()
            road.say(talk, "live")
            assert texts(await crm.events(1)) == ["live"]
        sends()
        road.say(talk, "later")
        async with Reader(road, "crm", crm.cursor, token=token, everything=True) as crm:
            assert texts(await crm.events(1)) == ["later"]


async def test_what_the_log_has_forgotten_is_reload(road: Road) -> None:
    """A manager who was away for longer than the log keeps events."""
    talk = road.conversation("talk", "alice")
    road.say(talk, "gone")
    cursor = Cursor(dict.fromkeys(range(PARTITIONS), 0), 5, events=dict.fromkeys(range(PARTITIONS), 0))
    road.log.trim("chat-events", now_ms() + 1)
    before = reloads("away_too_long")
    ends = road.log.ends("chat-events")
    chunks = list(Backlog(road.log).between(cursor, {each: end for each, (_, end) in ends.items()}))
    assert [each.kind for chunk in chunks for each in chunk] == ["reload"]
    assert reloads("away_too_long") == before + 1


@pytest.mark.parametrize("scopes", [(), ("send",)])
async def test_who_may_not_read_everything_is_refused(road: Road, scopes: tuple[str, ...]) -> None:
    """Neither a person nor a client that only sends; a cursor of one kind is none of the other."""
    token = road.client_token("crm", *scopes)
    async with serving(road):
        async with Reader(road, "crm", token=token, everything=True) as crm:
            assert await crm.end() is grpc.StatusCode.PERMISSION_DENIED
        async with opened(road, token, "", "?all=true") as page:
            assert page.response.status == 403
        async with opened(road, token, "", "?all=yes") as page:
            assert page.response.status == 400
        async with Reader(road, "crm", token=token) as crm:
            await crm.caught_up()
        manager = road.client_token("crm", "manage")
        async with Reader(road, "crm", crm.cursor, token=manager, everything=True) as other:
            assert await other.end() is grpc.StatusCode.INVALID_ARGUMENT
