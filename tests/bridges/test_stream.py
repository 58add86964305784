"""The stream server over a real log and store: what a gRPC reader sees."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import grpc
import msgspec
import pytest

from bridges.streaming.cursor import Cursor
from bridges.streaming.hub import Limits
from bridges.streaming.times import Times
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, Watermark
from chat4all.model.failures import Temporary
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import partition_of
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import PARTITIONS, TIMEOUT_S, Reader, Road, kinds, serving, texts


async def test_a_message_reaches_its_readers_live(road: Road) -> None:
    """A message that is published while two members listen reaches both, the sender too, with a cursor."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "alice") as alice, Reader(road, "bob") as bob, Reader(road, "carol") as carol:
        for reader in (alice, bob, carol):
            assert await reader.caught_up() == []
        [message] = await asyncio.to_thread(road.say, talk, "hello")
        [event] = await bob.events(1)
        assert (event.message.text, event.message.seq, event.message.sender) == ("hello", message.seq, "alice")
        assert texts(await alice.events(1)) == ["hello"]
        assert bob.cursor
        # Carol is no member: the next thing that she sees is hers.
        hers = road.conversation("hers", "carol", "bob")
        await asyncio.to_thread(road.say, hers, "for carol")
        assert texts(await carol.events(1)) == ["for carol"]


async def test_a_reader_resumes_without_gap_or_repeat(road: Road) -> None:
    """Connections that break at any point of history and live traffic, under a rerun of every message, lose nothing."""
    talks = [road.conversation(f"talk {number}", "alice", "bob") for number in range(5)]
    sent: list[Message] = []
    for number in range(20):
        sent += road.say(talks[number % 5], f"before {number}")

    async def write() -> None:
        for number in range(60):
            messages = await asyncio.to_thread(road.say, talks[number % 5], f"during {number}")
            await asyncio.to_thread(road.publish, messages)
            sent.extend(messages)

    async with serving(road):
        got: list[pb.MessageEvent] = []
        cursor = ""
        writing = asyncio.create_task(write())
        while len(got) < 80:
            async with Reader(road, "bob", cursor) as bob:
                for _ in range(4):
                    frame = await bob.frame()
                    got += [event.message for event in frame.events if event.HasField("message")]
                    if len(got) >= 80:
                        break
                cursor = bob.cursor
        await writing
    for talk in talks:
        expected = [message.seq for message in sent if message.conversation_id == talk]
        assert [message.seq for message in got if message.conversation_id == talk] == expected


async def test_an_empty_cursor_begins_where_the_reader_has_acknowledged(road: Road) -> None:
    """Per conversation: all of one that was never acknowledged, and what follows the position in another."""
    new, old = (road.conversation(name, "alice", "bob") for name in ("new", "old"))
    road.say(new, "one", "two")
    first, _ = road.say(old, "three", "four")
    road.store.raise_watermarks([Watermark(old, "bob", delivered_up_to=first.seq, delivered_at=1)])
    async with serving(road), Reader(road, "bob") as bob:
        assert sorted(texts(await bob.caught_up())) == ["four", "one", "two"]


async def test_history_is_read_in_pages(road: Road) -> None:
    """Several hundred messages in several conversations come complete and in order."""
    talks = [road.conversation(f"talk {number}", "alice", "bob") for number in range(6)]
    sent = [message for talk in talks for message in road.say(talk, *(f"{number}" for number in range(120)))]
    async with serving(road), Reader(road, "bob") as bob:
        got = [event.message for event in await bob.caught_up() if event.HasField("message")]
    for partition in range(PARTITIONS):
        here = [talk for talk in talks if partition_of(talk, PARTITIONS) == partition]
        expected = sorted(message.seq for message in sent if message.conversation_id in here)
        assert [message.seq for message in got if message.conversation_id in here] == expected


async def test_what_is_published_again_is_not_told_again(road: Road) -> None:
    """A rerun of a stage publishes its events again; readers see each message once."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "bob") as bob:
        await bob.caught_up()
        messages = await asyncio.to_thread(road.say, talk, "one", "two")
        await asyncio.to_thread(road.publish, messages)
        await asyncio.to_thread(road.say, talk, "three")
        assert texts(await bob.events(3)) == ["one", "two", "three"]


# Where a server that starts begins.


def published_not_done(road: Road, talk: str) -> list[str]:
    """Published by a stage that has not raised progress: nobody may publish it again."""
    messages = road.accept(talk, "published")
    road.persist(messages)
    road.publish(messages)
    # Events of other kinds follow it.
    for number in range(5):
        road.tell_position(Watermark(talk, "alice", number, number))
    return ["published"]


def stored_not_published(road: Road, talk: str) -> list[str]:
    """Stored only: its event is still to come, and is live."""
    messages = road.accept(talk, "stored")
    road.persist(messages)
    return []


def published_twice(road: Road, talk: str) -> list[str]:
    """The last event of the log is an older message's, published again."""
    messages = road.accept(talk, "one", "two", "three")
    road.persist(messages)
    road.publish(messages)
    road.advance(messages[:1])
    road.publish(messages[:1])
    return ["one", "two", "three"]


@pytest.mark.parametrize("prepare", [published_not_done, stored_not_published, published_twice])
async def test_a_server_that_starts_between_the_stages(road: Road, prepare: Callable[[Road, str], list[str]]) -> None:
    """Wherever a stage is when the server starts, each message is told exactly once: from the store or live."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "done")
    waiting = prepare(road, talk)
    async with serving(road), Reader(road, "bob") as bob:
        assert texts(await bob.caught_up()) == ["done", *waiting]
        stored = [message for message in road.store.page(talk, None, None, 100) if message.payload.as_text() == "stored"]
        await asyncio.to_thread(road.publish, stored)
        await asyncio.to_thread(road.say, talk, "last")
        expected = [*(message.payload.as_text() for message in stored), "last"]
        assert texts(await bob.events(len(expected))) == expected


async def test_a_restart_goes_unnoticed(road: Road) -> None:
    """A cursor from one server resumes at the next: what was said between comes, and nothing twice."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "bob") as bob:
        await bob.caught_up()
        await asyncio.to_thread(road.say, talk, "one")
        assert texts(await bob.events(1)) == ["one"]
        cursor = bob.cursor
    road.say(talk, "two")
    async with serving(road), Reader(road, "bob", cursor) as bob:
        assert texts(await bob.caught_up()) == ["two"]
        await asyncio.to_thread(road.say, talk, "three")
        assert texts(await bob.events(1)) == ["three"]


async def test_a_server_that_stops_says_so(road: Road) -> None:
    """Streams end as UNAVAILABLE, so that readers resume."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(road))
        bob = await stack.enter_async_context(Reader(road, "bob"))
        await bob.caught_up()
        stopping = asyncio.create_task(server.stop())
        assert await bob.end() is grpc.StatusCode.UNAVAILABLE
        await stopping


# Who sees what.


async def test_members_come_and_go(road: Road) -> None:
    """Who joined later does not see what was said before, live or in history; who left sees nothing that follows."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "bob") as bob, Reader(road, "carol") as carol:
        await bob.caught_up()
        await carol.caught_up()
        await asyncio.to_thread(road.say, talk, "early")
        road.store.change_members(talk, 1, ["carol"], ["bob"])
        await asyncio.to_thread(road.tell_change, talk)
        await asyncio.to_thread(road.say, talk, "late")
        assert kinds(await carol.events(2)) == ["conversation", "message"]
        assert kinds(await bob.events(2)) == ["message", "conversation"]
        hers = road.conversation("hers", "alice", "bob", "carol")
        await asyncio.to_thread(road.say, hers, "for all")
        assert texts(await bob.events(1)) == texts(await carol.events(1)) == ["for all"]
    async with serving(road), Reader(road, "bob") as bob, Reader(road, "carol") as carol:
        assert sorted(texts(await bob.caught_up())) == ["early", "for all"]
        assert sorted(texts(await carol.caught_up())) == ["for all", "late"]


async def test_a_newer_membership_is_loaded_before_its_message_is_told(road: Road) -> None:
    """A message of a membership that this server has not heard of reaches its new members, without any other event."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "carol") as carol:
        await carol.caught_up()
        await asyncio.to_thread(road.say, talk, "not for carol")
        road.store.change_members(talk, 1, ["carol"], [])
        await asyncio.to_thread(road.say, talk, "for carol")
        assert texts(await carol.events(1)) == ["for carol"]


async def test_an_absent_store_delays_and_loses_nothing(road: Road) -> None:
    """Events wait for the memberships that they need, in order."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "bob") as bob:
        await bob.caught_up()
        messages = road.accept(talk, "one", "two")
        failures = [Temporary("away"), Temporary("away")]

        def memberships(names: list[str]) -> object:
            if failures:
                raise failures.pop()
            return road.faults.real.memberships(names)

        road.persist(messages)
        road.faults.answer("memberships", memberships)
        await asyncio.to_thread(road.publish, messages)
        assert texts(await bob.events(2)) == ["one", "two"]
        assert failures == []


async def test_a_rejection_is_told_to_its_sender_only(road: Road) -> None:
    """The other members never hear of a message that did not become one."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "alice") as alice, Reader(road, "bob") as bob:
        await alice.caught_up()
        await bob.caught_up()
        await asyncio.to_thread(road.reject, talk, "twice")
        await asyncio.to_thread(road.say, talk, "fine")
        assert kinds(await alice.events(2)) == ["rejected", "message"]
        assert kinds(await bob.events(1)) == ["message"]


# States and positions.


def delivered_by_whatsapp(road: Road, talk: str) -> tuple[Delivery, Facts]:
    """A message that also goes to an address, and what became known of it."""
    [plain] = road.accept(talk, "out")
    message = msgspec.structs.replace(plain, recipients=(Recipient("bob", "whatsapp", "+1"),))
    road.persist([message])
    road.publish([message])
    road.advance([message])
    key = DeliveryKey(Lane("whatsapp", partition_of(talk, PARTITIONS)), message.seq, 0)
    delivery = Delivery(key, talk, message.message_id, "bob", "+1", message.payload, now_ms())
    road.store.put_deliveries([delivery])
    return delivery, Facts(sent_at=now_ms(), provider_id="wamid")


async def test_states_and_positions_live(road: Road) -> None:
    """Members see how far a delivery and each other have come."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "alice") as alice:
        await alice.caught_up()
        delivery, facts = await asyncio.to_thread(delivered_by_whatsapp, road, talk)
        await asyncio.to_thread(road.tell_state, delivery, facts)
        await asyncio.to_thread(road.tell_position, Watermark(talk, "bob", delivery.key.seq, now_ms()))
        _, state, position = await alice.events(3)
    assert (state.state.state, state.state.channel, state.state.recipient) == ("SENT", "whatsapp", "bob")
    assert (position.position.user_id, position.position.delivered_up_to) == ("bob", delivery.key.seq)


async def test_what_changed_while_away_is_told_after_the_messages(road: Road) -> None:
    """A resume brings the newest states and positions, though their events went by unheard."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "alice") as alice:
        await alice.caught_up()
        cursor = alice.cursor
    delivery, facts = delivered_by_whatsapp(road, talk)
    road.learn(delivery, Facts(sent_at=facts.sent_at, provider_id="wamid", read_at=now_ms()))
    road.store.raise_watermarks([Watermark(talk, "bob", delivery.key.seq, now_ms())])
    async with serving(road), Reader(road, "alice", cursor) as alice:
        found = await alice.caught_up()
    assert kinds(found) == ["message", "conversation", "position", "state"]
    assert found[3].state.state == "READ"
    assert found[2].position.delivered_up_to == delivery.key.seq


async def test_what_was_learned_long_ago_is_not_told_again(road: Road) -> None:
    """The time in the cursor bounds what a resume repeats; a minute before it is told again."""
    talk = road.conversation("talk", "alice", "bob")
    delivery, _ = delivered_by_whatsapp(road, talk)
    road.learn(delivery, Facts(sent_at=now_ms() - 3_600_000, provider_id="wamid"))
    road.store.raise_watermarks([Watermark(talk, "bob", delivery.key.seq, now_ms() - 3_600_000)])
    async with serving(road), Reader(road, "alice") as alice:
        assert kinds(await alice.caught_up()) == ["message", "position", "state"]
        cursor = alice.cursor
    async with serving(road), Reader(road, "alice", cursor) as alice:
        assert kinds(await alice.caught_up()) == ["conversation", "position", "state"]
    async with serving(road, times=Times(slack_ms=0)), Reader(road, "alice", cursor) as alice:
        assert await alice.caught_up() == []


# How streams end.


async def test_a_reader_who_does_not_keep_up_is_cut_off_and_resumes(road: Road) -> None:
    """RESOURCE_EXHAUSTED for the slow one, nothing for the others; with its cursor the slow one then misses nothing."""
    talk = road.conversation("talk", "alice", "bob", "carol")
    large = "x" * 60_000
    async with serving(road, Limits(events=20)), Reader(road, "bob") as bob, Reader(road, "carol") as carol:
        await bob.caught_up()
        await carol.caught_up()
        for number in range(15):
            await asyncio.to_thread(road.say, talk, *(f"{number} {each} {large}" for each in range(10)))
            assert len(await carol.events(10)) == 10
        # Bob reads only now: what the network held, then the end.
        assert await bob.end() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with Reader(road, "bob", bob.cursor) as again:
            rest = texts(await again.caught_up())
    got = texts([event for frame in bob.frames for event in frame.events]) + rest
    assert [text.split()[:2] for text in got] == [[str(one), str(two)] for one in range(15) for two in range(10)]


async def test_a_token_that_runs_out_ends_the_stream(road: Road) -> None:
    """UNAUTHENTICATED, so that the reader renews and resumes."""
    async with serving(road), Reader(road, "bob", life_s=2) as bob:
        await bob.caught_up()
        assert await bob.end() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("life_s", [-1, 600])
async def test_who_proves_nothing_hears_nothing(road: Road, life_s: int) -> None:
    """An expired or forged token opens no stream."""
    async with serving(road):
        token = road.token("bob", life_s) + ("" if life_s < 0 else "x")
        async with Reader(road, "bob", token=token) as bob:
            assert await bob.end() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("cursor", ["nonsense", Cursor({0: 3}, 1, "another log").encode()])
async def test_a_cursor_of_somewhere_else_is_an_error(road: Road, cursor: str) -> None:
    """INVALID_ARGUMENT: going on from a place that means nothing here would lose messages in silence."""
    async with serving(road), Reader(road, "bob", cursor) as bob:
        assert await bob.end() is grpc.StatusCode.INVALID_ARGUMENT


# A network that holds little: what is not read is soon felt by the server.
NARROW = (("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0))


async def test_a_reader_who_takes_nothing_does_not_hold_a_stream(road: Road) -> None:
    """A frame that nobody takes in time ends the stream, also during history."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, *(f"{number} {'x' * 60_000}" for number in range(60)))
    async with serving(road, times=Times(write_s=0.2)) as server, Reader(road, "bob", options=NARROW) as bob:
        await bob.frame()
        async with asyncio.timeout(TIMEOUT_S):
            while server.subscribers:
                await asyncio.sleep(0.02)
        assert await bob.end() is grpc.StatusCode.RESOURCE_EXHAUSTED
