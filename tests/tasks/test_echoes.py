"""What providers tell back of our own sends, at the worst moment: before the answer to the call."""

import asyncio
import random
import struct
import unicodedata
from pathlib import Path

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.deliveries import LAST_INDEX, Lane
from chat4all.model.failures import Temporary
from chat4all.ports import Inbound, Outgoing
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.inbound.intake import Arrivals
from tasks.lanes.attempt import Sender
from tasks.lanes.lane import LaneWork
from tasks.lanes.writer import Writer
from tests.tasks.test_attempt import Fake
from tests.tasks.world import Alone, message, new_id, release, take, threads, whatsapp, world

PEOPLE, MESSAGES = 4, 60


class Echoing(Fake):
    """A provider that refuses some calls, and tells the others back before it answers them."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: Arrivals
        self.taken_for_a_colleagues: list[str] = []
        self._random = random.Random(7)

    async def send_text(self, message: Outgoing) -> str:
        if self._random.random() < 0.2:
            raise Temporary("provider_error")
        self.arrived.append(message)
        provider_id = f"id-{len(self.arrived)}"
        # As platforms do: letters in one form, no blanks around, one between words.
        words = " ".join(unicodedata.normalize("NFC", message.text).split())
        echo = Inbound("whatsapp", "1", provider_id, message.address, words, now_ms(), is_echo=True)
        brought = await asyncio.to_thread(self.arrivals.accept_updates, [echo])
        if brought.messages:
            self.taken_for_a_colleagues.append(message.text)
        return provider_id


class Open(Sender):
    """A sender that has its account."""

    opened = True

    def closed_s(self) -> float | None:
        return self.throttle.closed_s()


async def test_no_echo_of_ours_is_taken_for_a_colleagues(tmp_path: Path) -> None:
    """Among keys that wait and catch up, with far more behind them than is looked at first: each is known as ours."""
    with world(tmp_path, partitions=1, backoff_first_s=0.02, backoff_most_s=0.05, breaker_failures=10_000) as road:
        channel = Echoing()
        channel.arrivals = Arrivals(road.store, Acceptor(road.store, road.log, road.parts.settings, {"whatsapp": channel}))
        people = [whatsapp(each) for each in range(PEOPLE)]
        road.know(*people)
        talks = [(new_id("conversation", each), person) for each, person in enumerate(people)]
        road.store.add_conversations(
            [(Conversation(talk, ConversationType.PRIVATE, "alice", 1), ["alice", who.user_id]) for talk, who in talks]
        )
        road.say(*[message(talk, n, f" e\u0301  {n}\nok ", to=[person]) for n in range(MESSAGES) for talk, person in talks])
        road.run()
        async with threads() as executor:
            writer = Writer(road.parts, executor)
            writing = asyncio.create_task(writer.run())
            lane, sender = Lane("whatsapp", 0), Open(road.parts, channel, writer, executor)
            state, hold = take(road.store, lane, "holder")
            await LaneWork(state, hold, road.store, writer, Alone(sender), executor).run(0.3)
            release(road.store, hold)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        assert len(channel.arrived) == PEOPLE * MESSAGES
        assert channel.taken_for_a_colleagues == []


def test_the_last_index_fits_in_what_stores_keep() -> None:
    """Cassandra keeps an index in 32 bits, one of them the sign: a higher one cannot even be asked for."""
    assert struct.unpack(">i", struct.pack(">i", LAST_INDEX)) == (LAST_INDEX,)
