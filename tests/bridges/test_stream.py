"""The stream server over a real log and store: gRPC and its rules."""

import asyncio

from tests.bridges.road import Reader, Road, serving, texts


async def test_a_message_reaches_its_readers_live(road: Road) -> None:
    """A message that is published while two members listen reaches both, the sender too, with a cursor."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "alice") as alice, Reader(road, "bob") as bob:
        assert await alice.caught_up() == await bob.caught_up() == []
        [message] = await asyncio.to_thread(road.say, talk, "hello")
        [event] = await bob.events(1)
        assert (event.message.text, event.message.seq, event.message.sender) == ("hello", message.seq, "alice")
        assert texts(await alice.events(1)) == ["hello"]
        assert alice.cursor
