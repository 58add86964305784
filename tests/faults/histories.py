"""Runs in which everything went well, of every shape: what a judge must not complain of, and what faults are planted into."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from msgspec import Struct

from ops.faults.history import (
    FURTHEST,
    OWN,
    Accepted,
    Arrival,
    Carried,
    Ended,
    History,
    Kept,
    Position,
    Resumed,
    Told,
)

T = TypeVar("T")

CHANNELS = ("whatsapp", "telegram", "instagram", "messenger")
STATES = ("PENDING", "SENT", "DELIVERED", "READ")
SEEDS = st.integers(0, 1 << 32)
NAMES = ("amy", "bob", "cleo", "dan")


class Shape(Struct, frozen=True):
    """A conversation: so many members, on these channels, so many messages; the last member joins before message `joins`.

    `replayed`: that message's delivery to the first address FAILED and was sent again by hand.
    """

    members: int
    channels: tuple[str, ...]
    messages: int
    joins: int
    replayed: int | None


SHAPES = st.builds(
    Shape,
    st.integers(2, 4),
    st.lists(st.sampled_from(CHANNELS), max_size=3, unique=True).map(tuple),
    st.integers(1, 6),
    st.just(0),
    st.none(),
)
# Every fault has a place in this one.
FULL = st.builds(
    Shape,
    st.integers(3, 4),
    st.permutations(CHANNELS).map(lambda them: tuple(them[:3])),
    st.integers(5, 8),
    st.integers(1, 3),
    st.none() | st.integers(0, 3),
)


class Talk:
    """What becomes of the messages of one conversation."""

    def __init__(self, number: int, shape: Shape, random: Random) -> None:
        self.conversation_id, self._shape, self._random = f"c{number}", shape, random
        self._members = NAMES[: shape.members]
        self._addresses = [f"{channel}:55{number}{place}" for place, channel in enumerate(shape.channels)]
        begin = random.randrange(1, 5)
        self.accepted = [self._message(place) for place in range(shape.messages)]
        # Seqs rise, and leave numbers out; what nobody of the load said stands among the rest.
        seqs = sorted(random.sample(range(begin, begin + 4 * shape.messages + 4), shape.messages + 1))
        self.seqs = dict(zip([each.message_id for each in self.accepted], seqs[1:], strict=True))
        self.kept = [Kept(f"hello-{number}", seqs[0], "hello")]
        self.kept += [Kept(each.message_id, self.seqs[each.message_id], each.text, each.file) for each in self.accepted]

    def _message(self, place: int) -> Accepted:
        message_id = f"{self.conversation_id}m{place}"
        readers = self._members if place >= self._shape.joins else self._members[:-1]
        # In turn a user writes, and somebody on a channel, who does not get it back.
        writer = self._addresses[0] if self._addresses and place % 3 == 2 else ""
        file = f"file-of-{message_id}" if place == 0 else ""
        to = frozenset(self._addresses) - {writer}
        return Accepted(
            message_id, self.conversation_id, place, frozenset(readers), to, 1000 + place, f"says {message_id}", file
        )

    def arrivals(self) -> list[list[Arrival]]:
        """At each address in order; where a speaker has a name it stands in front. What was replayed comes last."""
        return [self._at(to) for to in self._addresses]

    def _at(self, to: str) -> list[Arrival]:
        mine = [each for each in self.accepted if to in each.addresses]
        last = [each for each in mine if self._is_replayed(each, to)]
        name = self._random.choice(("", "Amy: "))
        return [
            Arrival(to, self.conversation_id, each.message_id, each.at + 5, name + each.text)
            for each in [*(each for each in mine if each not in last), *last]
        ]

    def _is_replayed(self, message: Accepted, to: str) -> bool:
        return to == self._addresses[0] and message.number == self._shape.replayed

    def seen(self) -> list[list[Arrival]]:
        """In each reader's stream in order."""
        return [
            [
                Arrival(who, self.conversation_id, each.message_id, each.at + 2, each.text)
                for each in self.accepted
                if who in each.readers
            ]
            for who in self._members
        ]

    def ended(self) -> list[Ended]:
        """All as far as their channels tell."""
        found = []
        for message in self.accepted:
            where = (self.conversation_id, self.seqs[message.message_id])
            for to in sorted(message.addresses):
                channel = to.partition(":")[0]
                state, again = FURTHEST.get(channel, "READ"), self._is_replayed(message, to)
                found.append(Ended(message.message_id, f"contact-{to}", channel, state, *where, again))
            found += [Ended(message.message_id, who, OWN, "READ", *where) for who in sorted(message.readers)]
        return found

    def told(self) -> list[list[Told]]:
        """To each reader the states of each delivery, some left out, none of them twice, the last one true."""
        return [self._told(who, each) for each in self.ended() if each.channel != OWN for who in self._who_reads(each)]

    def _who_reads(self, ended: Ended) -> list[str]:
        return next(sorted(each.readers) for each in self.accepted if each.message_id == ended.message_id)

    def _told(self, who: str, ended: Ended) -> list[Told]:
        before = STATES[: STATES.index(ended.state)]
        states = [*(each for each in before if self._random.random() < 0.5), ended.state]
        rest = (ended.message_id, ended.recipient, ended.channel)
        first = [Told(who, *rest, "FAILED", f"{ended.message_id}/1")] if ended.refused else []
        return [*first, *(Told(who, *rest, state, f"{ended.message_id}/2") for state in states)]

    def positions(self) -> list[list[Position]]:
        """To each member how far each other has come: to the end."""
        return [self._positions(who, other) for who in self._members for other in self._members if who != other]

    def _positions(self, who: str, other: str) -> list[Position]:
        steps = sorted(self._random.sample([row.seq for row in self.kept], self._random.randrange(len(self.kept))))
        return [Position(who, self.conversation_id, other, seq, seq) for seq in dict.fromkeys([*steps, self.kept[-1].seq])]


def mixed(random: Random, each: Iterable[Sequence[T]]) -> list[T]:
    """All of them, each in its own order."""
    left = [list(one) for one in each if one]
    found = []
    while left:
        one = random.choice(left)
        found.append(one.pop(0))
        left = [rest for rest in left if rest]
    return found


def _resumed(talk: Talk, told: Sequence[Told], who: str, cut: int) -> Resumed:
    owed = [each.message_id for each in talk.accepted[cut:] if who in each.readers]
    last = {(each.message_id, each.recipient, each.channel): each for each in told if each.reader == who}
    back = f"{who} again"
    since = [Told(back, each.message_id, each.recipient, each.channel, each.state, each.delivery) for each in last.values()]
    return Resumed(back, owed, owed, since)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A good run: two to four conversations at once, of which the first has everything."""
    # By a seed, since drawing each choice by itself takes a hundred times as long.
    random = Random(draw(SEEDS))
    shapes = [draw(FULL), *draw(st.lists(SHAPES, min_size=1, max_size=3))]
    talks = [Talk(number, shape, random) for number, shape in enumerate(shapes)]
    told = mixed(random, [each for talk in talks for each in talk.told()])
    kept: Mapping[str, Sequence[Kept]] = {talk.conversation_id: talk.kept for talk in talks}
    files = [
        Carried(each.file, f"sum of {each.file}", f"sum of {each.file}")
        for talk in talks
        for each in talk.accepted
        if each.file
    ]
    return History(
        accepted=mixed(random, [talk.accepted for talk in talks]),
        arrivals=mixed(random, [each for talk in talks for each in talk.arrivals()]),
        seen=mixed(random, [each for talk in talks for each in talk.seen()]),
        told=told,
        ended=[each for talk in talks for each in talk.ended()],
        positions=mixed(random, [each for talk in talks for each in talk.positions()]),
        resumed=[_resumed(talks[0], told, "amy", draw(st.integers(0, 3)))],
        files=files,
        kept=kept,
    )
