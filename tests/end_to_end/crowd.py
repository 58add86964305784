"""A crowd that writes: users and people on WhatsApp in many conversations, and what each message must reach."""

import http.client
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, Self
from uuid import uuid4

from msgspec import Struct

from chat4all.model.deliveries import Delivery
from ops.faults.history import Accepted, Arrival, Ended, History, Told
from ops.harness.api import Api, Refused
from ops.harness.readers import Readers
from ops.harness.system import Running
from storage.open import open_store

PEOPLE = 10
BATCH = 50
# A tenth refused; receipts twice, in any order, and before the answer that they are about.
TROUBLE: dict[str, Any] = {
    "rules": [{"status": 429, "code": 130429, "rate": 0.05}, {"status": 500, "code": 131000, "rate": 0.05}],
    "receipts": {"delivered_after_ms": 20, "read_after_ms": 40, "duplicate": True, "shuffle": True, "before_response": True},
}


class Talk(Struct, frozen=True):
    """A conversation, who of its members has a stream, who writes, and which addresses its messages go to."""

    conversation_id: str
    members: frozenset[str]
    writers: tuple[str, ...]
    addresses: frozenset[str] = frozenset()
    channels: tuple[str, ...] = ()


class Crowd:
    """Everybody, made in a system. A context manager that closes their connections."""

    def __init__(self, system: Running, talks: int) -> None:
        self.system = system
        self.operator = system.operator()
        self.people = {f"user-{number}": system.register(f"user-{number}") for number in range(PEOPLE)}
        self.talks = [self._talk(number) for number in range(talks)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for api in (self.operator, *self.people.values()):
            api.close()

    @property
    def tokens(self) -> dict[str, str]:
        """An access token of everybody."""
        return {who: api.token for who, api in self.people.items()}

    def _talk(self, number: int) -> Talk:
        """In turn: two users; a user and a stranger on WhatsApp; two users of whom one has WhatsApp as well."""
        names = list(self.people)
        one, other = names[number % PEOPLE], names[(number + 1 + number // PEOPLE) % PEOPLE]
        if number % 5 in (0, 1):
            return Talk(self.people[one].private(one, other), frozenset({one, other}), (one, other))
        address = f"whatsapp:+55119{number:08d}"
        if number % 5 in (2, 3):
            made = self.operator.send({"from": one, "to": [address], "payload": _text("hello")})
            return Talk(made["conversation_id"], frozenset({one}), (one,), frozenset({address}))
        conversation = self.people[one].private(one, other)
        self.operator.call("PUT", f"/v1/users/{other}/identities/whatsapp", {"address": address.partition(":")[2]})
        return Talk(conversation, frozenset({one, other}), (one,), frozenset({address}), ("whatsapp",))


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


class Feed:
    """Messages of a crowd, each with its place; some are said twice. `accepted` grows as they are acknowledged."""

    def __init__(self, crowd: Crowd, count: int, repeated: float = 0.2) -> None:
        self.crowd = crowd
        self.accepted: list[Accepted] = []
        self._bodies = [self._body(number) for number in range(count)]
        self._every = round(1 / repeated)

    def _body(self, number: int) -> tuple[Accepted, dict[str, Any]]:
        talks = self.crowd.talks
        talk, place = talks[number % len(talks)], number // len(talks)
        message_id = str(uuid4())
        body: dict[str, Any] = {
            "message_id": message_id,
            "conversation_id": talk.conversation_id,
            "from": talk.writers[place % len(talk.writers)],
            "payload": _text(f"{message_id} {place}"),
        }
        if talk.channels:
            body["channels"] = list(talk.channels)
        return Accepted(message_id, talk.conversation_id, place, talk.members, talk.addresses), body

    def batches(self) -> Iterator[list[tuple[Accepted, dict[str, Any]]]]:
        """All messages in order, every fifth of a batch said again in the batch after it."""
        repeats: list[tuple[Accepted, dict[str, Any]]] = []
        for start in range(0, len(self._bodies), BATCH):
            batch = self._bodies[start : start + BATCH]
            yield [*batch, *repeats]
            repeats = list(batch[:: self._every])
        yield repeats

    def send(self, per_second: float = 0.0) -> None:
        """Send all, in order; each batch is repeated with the same ids until all of it is acknowledged."""
        known: set[str] = set()
        begin = time.monotonic()
        with closing(self.crowd.system.api(self.crowd.operator.token)) as api:
            for batch in self.batches():
                send_until_accepted(api, [body for _, body in batch])
                fresh = [each for each, _ in batch if each.message_id not in known]
                known.update(each.message_id for each in fresh)
                self.accepted += fresh
                if per_second:
                    time.sleep(max(0.0, begin + len(self.accepted) / per_second - time.monotonic()))


def send_until_accepted(api: Api, bodies: list[dict[str, Any]]) -> None:
    """Send, and repeat the whole batch, so that what was refused keeps its place, until all of it is acknowledged.

    AssertionError when one is refused for another reason than load, TimeoutError after a minute.
    """
    deadline = time.monotonic() + 60
    while bodies:
        with suppress(OSError, http.client.HTTPException):
            bad = _refused(api, bodies)
            if any(status not in (429, 503) for status in bad):
                raise AssertionError(f"refused: {bad[:3]}")
            if not bad:
                return
        if time.monotonic() > deadline:
            raise TimeoutError("the gateway did not take a batch within 60 s")
        time.sleep(0.2)


def _refused(api: Api, bodies: list[dict[str, Any]]) -> list[int]:
    """The statuses of what was not accepted; that of the request where it was refused as a whole."""
    try:
        return [each["error"]["status"] for each in api.send_batch(bodies) if each["status"] != "accepted"]
    except Refused as refused:
        return [refused.status]


class Outcome:
    """What a run came to, seen from outside through every public window."""

    def __init__(self, feed: Feed, readers: Readers) -> None:
        self.feed = feed
        self.readers = readers
        self._ids = {each.message_id for each in feed.accepted}
        self._conversation = {each.message_id: each.conversation_id for each in feed.accepted}

    def arrivals(self) -> list[Arrival]:
        """What reached the providers, in order; the first words of a text are the message's id."""
        found = []
        for each in self.feed.crowd.system.phones.sent("whatsapp"):
            message_id = str(each["text"]).split()[0]
            if message_id in self._ids:
                found.append(Arrival(f"whatsapp:{_plus(each['to'])}", self._conversation[message_id], message_id))
        return found

    def seen(self) -> list[Arrival]:
        """What reached the readers."""
        seen = self.readers.seen(lambda each: each.message_id in self._ids)
        return [Arrival(each.reader, each.conversation_id, each.message_id) for each in seen]

    def missing(self) -> int:
        """How many of (message, reader or address) have not come yet."""
        wanted = {(each.message_id, to) for each in self.feed.accepted for to in each.readers | each.addresses}
        return len(wanted - {(each.message_id, each.to) for each in [*self.arrivals(), *self.seen()]})

    def ended(self) -> list[Ended]:
        """The state of every delivery, as the history says it to a member."""
        people = self.feed.crowd.people
        found = []
        for talk in self.feed.crowd.talks:
            for message in people[next(iter(talk.members))].history(talk.conversation_id):
                for each in message["deliveries"] if message["message_id"] in self._ids else ():
                    found.append(
                        Ended(
                            message["message_id"],
                            each["recipient"],
                            each["channel"],
                            each["status"],
                            talk.conversation_id,
                            message["seq"],
                            reason=each.get("reason", ""),
                        )
                    )
        return found

    def history(self) -> History:
        """All of it, for the checker."""
        told = [
            Told(reader, each.message_id, each.recipient, each.channel, each.state) for reader, each in self.readers.states()
        ]
        return History(self.feed.accepted, self.arrivals(), self.seen(), told, self.ended())

    def deliveries(self) -> Sequence[Delivery]:
        """Every delivery row, straight from the store."""
        store = open_store(self.feed.crowd.system.settings)
        try:
            lanes = store.lanes()
            rows = [row for lane, state in lanes.items() for row in store.lane_rows(lane, (-1, -1), state.fanned, 1_000_000)]
        finally:
            store.close()
        return [row for row in rows if row.message_id in self._ids]

    def resends(self) -> Counter[str]:
        """How often the system says it sent something again without knowing, by message."""
        return Counter({row.message_id: row.facts.resends for row in self.deliveries() if row.facts.resends})


def _plus(number: str) -> str:
    return number if number.startswith("+") else f"+{number}"
