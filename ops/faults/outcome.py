"""What a run came to, gathered through every public window, and from the store what the system says of itself."""

import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chat4all.model.deliveries import Delivery
from chat4all.ports import DeadLetter
from ops.faults.crowd import Crowd, Talk
from ops.faults.history import Accepted, Arrival, Carried, Ended, History, Kept, Position, Resumed, Told, has_ended
from ops.faults.load import Load
from ops.faults.telling import stale
from ops.harness.phones import Phones
from ops.harness.place import Place
from ops.harness.readers import Readers
from storage.open import open_store

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ROWS = 1_000_000
LETTERS = 10_000


class Outcome:
    """Of a load, as far as it has come. `extra`: messages that were accepted beside the load. `withdrawn`: as of `History`."""

    def __init__(self, place: Place, crowd: Crowd, load: Load, readers: Readers) -> None:
        self.extra: list[Accepted] = []
        self.resumed: list[Resumed] = []
        self.files: list[Carried] = []
        self.withdrawn: set[tuple[str, str]] = set()
        self._place, self._crowd, self._load, self._readers = place, crowd, load, readers
        self._phones: Phones = place.system.phones
        self._sent: list[dict[str, Any]] = []

    @property
    def accepted(self) -> list[Accepted]:
        """All that was acknowledged so far."""
        return [*self._load.accepted, *self.extra]

    def arrivals(self) -> list[Arrival]:
        """What reached the providers, in order; a text holds the message's id."""
        self._sent += self._phones.sent(after=len(self._sent))
        conversations = {each.message_id: each.conversation_id for each in self.accepted}
        found = []
        for each in self._sent:
            # What a message quotes stands before its own words.
            name = (UUID.findall(str(each["text"])) or [""])[-1]
            if name in conversations:
                words, account = str(each["text"]), str(each["account"])
                found.append(Arrival(_address(each), conversations[name], name, int(each["at"]), words, account))
        return found

    def seen(self) -> list[Arrival]:
        """What reached the readers."""
        known = {each.message_id for each in self.accepted}
        seen = self._readers.seen(lambda each: each.message_id in known)
        return [Arrival(each.reader, each.conversation_id, each.message_id, each.at, each.text) for each in seen]

    def missing(self, accepted_before: float = math.inf) -> set[tuple[str, str]]:
        """(message, to) that have not come yet, of what was accepted before this time (ms UTC)."""
        due = [each for each in self.accepted if each.at < accepted_before]
        wanted = {(each.message_id, to) for each in due for to in each.readers | each.addresses}
        return wanted - self.withdrawn - {(each.message_id, each.to) for each in [*self.arrivals(), *self.seen()]}

    def ended(self) -> list[Ended]:
        """The state of every delivery, as the history says it to a member."""
        return self._ended(self._talks())

    def _talks(self) -> dict[str, list[dict[str, Any]]]:
        """What the history of each of the crowd's conversations says to a member."""
        return {talk.conversation_id: self._read(talk.conversation_id, talk.members[0]) for talk in self._crowd.talks}

    def _read(self, conversation_id: str, member: str) -> list[dict[str, Any]]:
        return self._crowd.people[member].history(conversation_id)

    def _ended(self, talks: Mapping[str, list[dict[str, Any]]]) -> list[Ended]:
        known = {each.message_id for each in self.accepted}
        return [each for talk, said in talks.items() for each in _ends(talk, said) if each.message_id in known]

    def has_ended(self, patience_s: float) -> bool:
        """Wait until every delivery has come to its end; False when some have not in time."""
        until, left = time.monotonic() + patience_s, list(self._crowd.talks)
        while left and time.monotonic() < until:
            left = [talk for talk in left if not self._is_over(talk)]
            time.sleep(1.0 if left else 0)
        return not left

    def _is_over(self, talk: Talk) -> bool:
        return all(map(has_ended, _ends(talk.conversation_id, self._read(talk.conversation_id, talk.members[0]))))

    def history(self) -> History:
        """All of it, for the checker. What was told is read before what is kept: so no position lies after its end."""
        told = [
            Told(reader, each.message_id, each.recipient, each.channel, each.state, each.delivery)
            for reader, each in self._readers.states()
        ]
        places = [
            Position(reader, each.conversation_id, each.user, each.delivered, each.read)
            for reader, each in self._readers.positions()
        ]
        accepted, arrivals, seen, talks = self.accepted, self.arrivals(), self.seen(), self._talks()
        ended = self._ended(talks)
        beside = {each.conversation_id: min(each.readers) for each in self.extra}
        talks |= {talk: self._read(talk, member) for talk, member in beside.items()}
        kept = {talk: [_kept(each) for each in said] for talk, said in talks.items()}
        resumed, files = tuple(self.resumed), tuple(self.files)
        return History(accepted, arrivals, seen, told, ended, places, resumed, files, kept, frozenset(self.withdrawn))

    def is_told(self, patience_s: float) -> bool:
        """Wait until what readers were told last is what is true; False when it is not in time."""
        until = time.monotonic() + patience_s
        while stale(self.history()):
            if time.monotonic() > until:
                return False
            time.sleep(2.0)
        return True

    def resends(self) -> Counter[tuple[str, str]]:
        """The second sends of what was accepted here."""
        known = {each.message_id for each in self.accepted}
        return Counter({pair: number for pair, number in self.second_sends().items() if pair[0] in known})

    def second_sends(self) -> Counter[tuple[str, str]]:
        """How often the system says it sent something again without knowing, by (message, to)."""
        counted = [row for row in self._deliveries() if row.facts.resends]
        return Counter({(row.message_id, f"{row.key.lane.channel}:{row.address}"): row.facts.resends for row in counted})

    def newest_attempt(self) -> int:
        """When the newest call to a provider was begun (ms UTC), by the clock of the process that made it."""
        return max((row.facts.attempted_at for row in self._deliveries()), default=0)

    def _deliveries(self) -> Sequence[Delivery]:
        store = open_store(self._place.system.settings)
        try:
            lanes = store.lanes()
            return [row for lane, state in lanes.items() for row in store.lane_rows(lane, (-1, -1), state.fanned, ROWS)]
        finally:
            store.close()

    def letters(self) -> Sequence[DeadLetter]:
        """Today's dead letters."""
        store = open_store(self._place.system.settings)
        try:
            return store.dead_letters(datetime.now(UTC).date().isoformat(), LETTERS)
        finally:
            store.close()


def _address(sent: dict[str, Any]) -> str:
    to = str(sent["to"])
    if sent["channel"] == "whatsapp" and not to.startswith("+"):
        to = f"+{to}"
    return f"{sent['channel']}:{to}"


def _ends(conversation_id: str, said: Sequence[dict[str, Any]]) -> list[Ended]:
    return [
        Ended(
            message["message_id"],
            each["recipient"],
            each["channel"],
            each["status"],
            conversation_id,
            message["seq"],
            any(step["status"] == "FAILED" for step in each.get("history", ())),
            each.get("reason", ""),
        )
        for message in said
        for each in message["deliveries"]
    ]


def _kept(message: dict[str, Any]) -> Kept:
    payload = message["payload"]
    # A text's words, or those that stand beside a file.
    words = payload.get("text") or payload.get("caption", "")
    return Kept(message["message_id"], message["seq"], words, payload.get("file_id", ""))
