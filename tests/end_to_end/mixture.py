"""Everybody with everybody: users, and people on all channels, in pairs, across channels and in groups."""

import re
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from typing import Any, Self
from uuid import uuid4

from msgspec import Struct

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.ids import provider_message_id
from ops.faults.history import Accepted, Arrival, Ended, History, Told
from ops.harness.api import Api
from ops.harness.readers import Readers
from ops.harness.system import Running
from storage.open import open_store
from tests.end_to_end.crowd import send_until_accepted

PEOPLE = 6
BATCH = 40
AGAIN = 5  # Every fifth message is said twice under the same id.
# The furthest that a channel can report; users report for themselves.
FURTHEST = {"chat4all": "READ", "whatsapp": "READ", "instagram": "READ", "messenger": "DELIVERED", "telegram": "SENT"}
# A tenth refused, in each provider's own codes; receipts twice, in any order, and before the answer that they are about.
CODES = {"whatsapp": (130429, 131000), "instagram": (613, 2), "messenger": (613, 2), "telegram": (429, 500)}
RECEIPTS = {"delivered_after_ms": 20, "read_after_ms": 40, "duplicate": True, "shuffle": True, "before_response": True}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def trouble(channel: str) -> dict[str, Any]:
    """How a provider behaves at its worst, short of being away."""
    too_fast, broken = CODES[channel]
    return {
        "rules": [
            {"status": 429, "code": too_fast, "rate": 0.05, "retry_after": 0.2},
            {"status": 500, "code": broken, "rate": 0.05},
        ],
        "receipts": RECEIPTS,
    }


class Talk(Struct, frozen=True):
    """A conversation: its members with a stream, those on channels as "channel:address", and who writes, of both."""

    conversation_id: str
    users: frozenset[str]
    addresses: frozenset[str]
    writers: tuple[str, ...]


class Said(Struct, frozen=True):
    """A message on its way: who says it, where, and the ids that it has for us and, from a phone, for the provider."""

    message_id: str
    talk: Talk
    writer: str
    provider_id: str = ""

    @property
    def text(self) -> str:
        """Its words hold its id, so that it is recognised wherever it arrives."""
        return f"says {self.message_id}"


class Mixture:
    """Makes the people and their conversations in a system. A context manager that closes their connections."""

    def __init__(self, system: Running, talks: int) -> None:
        self.system = system
        self.operator = system.operator()
        self.users = {f"user-{number}": system.register(f"user-{number}") for number in range(PEOPLE)}
        self._accounts = {name: open_channel(name, system.settings).account.account_id for name in CHANNELS}
        self._numbers = count(10_000_001)
        self._kinds = [self._two_users, *map(self._user_and, CHANNELS), *map(self._across, CHANNELS), self._group, self._group]
        self.talks = [self._kinds[number % len(self._kinds)](number) for number in range(talks)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for api in (self.operator, *self.users.values()):
            api.close()

    @property
    def tokens(self) -> dict[str, str]:
        """An access token of every user."""
        return {who: api.token for who, api in self.users.items()}

    def _user(self, number: int) -> str:
        return f"user-{number % PEOPLE}"

    def _address(self, channel: str) -> str:
        """A person whom nobody else writes to."""
        return f"{channel}:{'+55' if channel == 'whatsapp' else ''}11{next(self._numbers)}"

    def _two_users(self, number: int) -> Talk:
        one, other = self._user(number), self._user(number + 1 + number // PEOPLE % (PEOPLE - 1))
        return self._found("private", (one, other), ())

    def _user_and(self, channel: str) -> Any:
        return lambda number: self._found("private", (self._user(number),), (self._address(channel),))

    def _across(self, channel: str) -> Any:
        """Two people on two channels, of whom neither has ever heard of us."""
        other = list(CHANNELS)[(list(CHANNELS).index(channel) + 1) % len(CHANNELS)]
        return lambda _number: self._found("private", (), (self._address(channel), self._address(other)))

    def _group(self, number: int) -> Talk:
        """Three people on three channels, and one with a stream."""
        names = list(CHANNELS)
        three = [self._address(names[(number + place) % len(names)]) for place in range(3)]
        return self._found("group", (self._user(number),), tuple(three))

    def _found(self, kind: str, users: tuple[str, ...], addresses: tuple[str, ...]) -> Talk:
        body = {"type": kind, "members": [*users, *addresses]}
        conversation = str(self.operator.call("POST", "/v1/conversations", body)["conversation_id"])
        for each in addresses:
            channel, _, address = each.partition(":")
            self.operator.call("PUT", f"/v1/conversations/{conversation}/links/{channel}/{address}")
        return Talk(conversation, frozenset(users), frozenset(addresses), (*users, *addresses))

    def message(self, number: int) -> Said:
        """The message of this number: conversations in turn, in each its writers in turn."""
        talk = self.talks[number % len(self.talks)]
        writer = talk.writers[number // len(self.talks) % len(talk.writers)]
        if writer in talk.users:
            return Said(str(uuid4()), talk, writer)
        channel, _, address = writer.partition(":")
        provider_id = f"{address}:{next(self._numbers)}" if channel == "telegram" else f"in.{uuid4().hex}"
        return Said(provider_message_id(channel, self._accounts[channel], provider_id), talk, writer, provider_id)


class Feed:
    """Messages of everybody. `said` grows as they are acknowledged: users' by the gateway, people's by their provider."""

    def __init__(self, mixture: Mixture, number: int) -> None:
        self.mixture = mixture
        self.said: list[Said] = []
        self._all = [mixture.message(each) for each in range(number)]

    def send(self, per_second: float = 0.0) -> None:
        """Send all in order, every fifth again a little later; what is not acknowledged is repeated under the same id."""
        begin, repeats = time.monotonic(), list[Said]()
        with closing(self.mixture.system.api(self.mixture.operator.token)) as api:
            for start in range(0, len(self._all), BATCH):
                batch = self._all[start : start + BATCH]
                self._send(api, [*batch, *repeats])
                self.said += batch
                repeats = batch[::AGAIN]
                if per_second:
                    time.sleep(max(0.0, begin + len(self.said) / per_second - time.monotonic()))
            self._send(api, repeats)

    def _send(self, api: Api, messages: Sequence[Said]) -> None:
        send_until_accepted(api, [body_of(each) for each in messages if not each.provider_id])
        for each in messages:
            if each.provider_id:
                channel, _, address = each.writer.partition(":")
                self.mixture.system.phones.write(channel, address, each.text, provider_id=each.provider_id)


def body_of(said: Said) -> dict[str, Any]:
    """The message as the API takes it."""
    payload = {"type": "text", "text": said.text}
    conversation = said.talk.conversation_id
    return {"message_id": said.message_id, "conversation_id": conversation, "from": said.writer, "payload": payload}


class Outcome:
    """What it came to, through every public window."""

    def __init__(self, feed: Feed, readers: Readers) -> None:
        self._feed, self._readers = feed, readers
        self._mixture = feed.mixture
        self._by_id = {each.message_id: each for each in feed.said}

    def arrivals(self) -> list[Arrival]:
        """What reached people on channels, in order."""
        found = []
        for each in self._mixture.system.phones.sent():
            told = UUID.search(each["text"])
            said = self._by_id.get(told[0]) if told else None
            if said:
                to = f"{each['channel']}:{_address(each)}"
                found.append(Arrival(to, said.talk.conversation_id, said.message_id))
        return found

    def seen(self) -> list[Arrival]:
        """What reached users' streams."""
        seen = self._readers.seen(lambda each: each.message_id in self._by_id)
        return [Arrival(each.reader, each.conversation_id, each.message_id) for each in seen]

    def missing(self) -> int:
        """How many of (message, user or address) have not come yet."""
        wanted = {(each.message_id, to) for each in self._feed.said for to in _whom(each)}
        return len(wanted - {(each.message_id, each.to) for each in [*self.arrivals(), *self.seen()]})

    def messages(self) -> list[dict[str, Any]]:
        """All messages of all conversations, as the history says them, each conversation oldest first."""
        history = self._mixture.operator.history
        return [each for talk in self._mixture.talks for each in history(talk.conversation_id)]

    def unfinished(self) -> int:
        """How many deliveries have not come as far as their channel can tell."""
        return sum(each.state != FURTHEST[each.channel] for each in ended(self.messages()))

    def history(self) -> History:
        """All of it, for the checker: a message's number is its place in the history."""
        accepted = [
            Accepted(
                said.message_id, said.talk.conversation_id, message["seq"], said.talk.users, said.talk.addresses - {said.writer}
            )
            for message in self.messages()
            if (said := self._by_id.get(message["message_id"]))
        ]
        told = [
            Told(reader, each.message_id, each.recipient, each.channel, each.state) for reader, each in self._readers.states()
        ]
        return History(accepted, self.arrivals(), self.seen(), told)

    def misplaced(self) -> list[str]:
        """Messages that stand in the history before another that their writer said earlier in that conversation."""
        places = {each.message_id: place for place, each in enumerate(self._feed.said)}
        newest: dict[tuple[str, str], int] = defaultdict(int)
        found = []
        for message in self.messages():
            said = self._by_id.get(message["message_id"])
            if said:
                key = (said.talk.conversation_id, said.writer)
                found += [said.message_id] if places[said.message_id] < newest[key] else []
                newest[key] = max(newest[key], places[said.message_id])
        return found

    def resends(self) -> dict[str, int]:
        """How often the system says that it sent something again without knowing, by message."""
        store = open_store(self._mixture.system.settings)
        try:
            lanes = store.lanes()
            rows = [row for lane, state in lanes.items() for row in store.lane_rows(lane, (-1, -1), state.fanned, 1_000_000)]
        finally:
            store.close()
        return {row.message_id: row.facts.resends for row in rows if row.facts.resends}


def ended(messages: Sequence[dict[str, Any]]) -> list[Ended]:
    """All deliveries of these messages, with their states."""
    return [
        Ended(message["message_id"], each["recipient"], each["channel"], each["status"])
        for message in messages
        for each in message["deliveries"]
    ]


def _whom(said: Said) -> frozenset[str]:
    return said.talk.users | (said.talk.addresses - {said.writer})


def _address(arrival: dict[str, Any]) -> str:
    to = str(arrival["to"])
    return f"+{to.lstrip('+')}" if arrival["channel"] == "whatsapp" else to
