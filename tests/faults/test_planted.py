"""Faults of every kind, planted one at a time into good runs: the judge finds each, names it, and says nothing else."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from ops.faults.checker import check
from ops.faults.course import Course
from ops.faults.history import OWN, RANKS, Accepted, Arrival, Carried, Ended, History, Kept, Resumed, Told
from ops.faults.judge import Fault, Measured, Row, judge
from tests.faults.histories import SEEDS, histories

T = TypeVar("T")

# The conversation that has a place for every fault, and whoever is not in it.
FULL, STRANGER = "c0", "mallory"


class Planted(Struct, frozen=True):
    """A history with a fault in it, and what a complaint must name. `counted`: second sends that the system counts itself."""

    history: History
    about: str
    counted: dict[tuple[str, str], int] = {}


Plant = Callable[[History, Random], Planted]
# What is planted, and what it must be called: the beginning of each complaint.
TABLE: list[tuple[str, Plant, frozenset[str]]] = []


def planted(name: str, *complaints: str) -> Callable[[Plant], Plant]:
    """Put it into the table."""

    def put(plant: Plant) -> Plant:
        TABLE.append((name, plant, frozenset(complaints)))
        return plant

    return put


def without(items: Sequence[T], *gone: T) -> list[T]:
    return [each for each in items if each not in gone]


def instead(items: Sequence[T], old: T, *new: T) -> list[T]:
    return [one for each in items for one in (new if each == old else (each,))]


def swapped(items: Sequence[T], one: T, other: T) -> list[T]:
    return [{one: other, other: one}.get(each, each) for each in items]


def of_full(items: Sequence[Accepted]) -> list[Accepted]:
    return sorted((each for each in items if each.conversation_id == FULL), key=lambda each: each.number)


def neighbours(
    arrivals: Sequence[Arrival], random: Random, failed: frozenset[tuple[str, str]] = frozenset()
) -> tuple[Arrival, Arrival]:
    """Two that came to one place one after the other, in one conversation; none of them was replayed."""
    mine = [
        each for each in arrivals if each.conversation_id == FULL and (each.message_id, each.to.partition(":")[0]) not in failed
    ]
    to = random.choice(sorted({each.to for each in mine}))
    there = [each for each in mine if each.to == to]
    place = random.randrange(len(there) - 1)
    return there[place], there[place + 1]


def replayed(history: History) -> frozenset[tuple[str, str]]:
    return frozenset((each.message_id, each.channel) for each in history.ended if each.refused)


def a_delivery(history: History, random: Random) -> Ended:
    """Over a channel, and not one that was replayed."""
    return random.choice([each for each in history.ended if each.channel != OWN and not each.refused])


def told_of(history: History, ended: Ended) -> list[Told]:
    key = (ended.message_id, ended.recipient, ended.channel)
    return [each for each in history.told if (each.message_id, each.recipient, each.channel) == key]


def without_sequel(history: History, ended: Ended) -> History:
    """What was told of this delivery is not told, nor to who came back."""
    key = (ended.message_id, ended.recipient, ended.channel)
    back = [
        replace(each, told=[one for one in each.told if (one.message_id, one.recipient, one.channel) != key])
        for each in history.resumed
    ]
    return replace(history, told=without(history.told, *told_of(history, ended)), resumed=back)


def rows_of(history: History, rows: Sequence[Kept], conversation: str = FULL) -> History:
    return replace(history, kept={**history.kept, conversation: rows})


def a_row(history: History, random: Random) -> Kept:
    """One that somebody of the load said, and not the last."""
    return random.choice(history.kept[FULL][1:-1])


@planted("lost at a reader", "lost")
def _(history: History, random: Random) -> Planted:
    gone = random.choice(history.seen)
    return Planted(replace(history, seen=without(history.seen, gone)), gone.message_id)


@planted("lost at a provider", "lost")
def _(history: History, random: Random) -> Planted:
    gone = random.choice(history.arrivals)
    return Planted(replace(history, arrivals=without(history.arrivals, gone)), gone.message_id)


@planted("twice at a stream", "doubled_in")
def _(history: History, random: Random) -> Planted:
    twice = random.choice(history.seen)
    return Planted(replace(history, seen=[*history.seen, twice]), twice.message_id)


@planted("twice at a provider, and the system did not count it", "sent twice and not counted")
def _(history: History, random: Random) -> Planted:
    twice = random.choice([each for each in history.arrivals if each.to.startswith(("telegram", "instagram"))])
    return Planted(replace(history, arrivals=[*history.arrivals, twice]), twice.message_id)


@planted("three times at a provider, and counted once", "sent twice and not counted", "2 second sends of one key at 1 kills")
def _(history: History, random: Random) -> Planted:
    twice = random.choice([each for each in history.arrivals if each.to.startswith(("telegram", "instagram"))])
    counted = {(twice.message_id, twice.to): 1}
    return Planted(replace(history, arrivals=[*history.arrivals, twice, twice]), twice.message_id, counted)


@planted("twice at a provider that can be asked", "doubled on a channel with a handle")
def _(history: History, random: Random) -> Planted:
    twice = random.choice([each for each in history.arrivals if each.to.startswith(("whatsapp", "messenger"))])
    return Planted(replace(history, arrivals=[*history.arrivals, twice]), twice.message_id, {(twice.message_id, twice.to): 1})


@planted("swapped at a provider", "inversions")
def _(history: History, random: Random) -> Planted:
    one, other = neighbours(history.arrivals, random, replayed(history))
    return Planted(replace(history, arrivals=swapped(history.arrivals, one, other)), other.message_id)


@planted("swapped at a reader", "inversions")
def _(history: History, random: Random) -> Planted:
    one, other = neighbours(history.seen, random)
    return Planted(replace(history, seen=swapped(history.seen, one, other)), other.message_id)


@planted("swapped in the history", "misplaced")
def _(history: History, random: Random) -> Planted:
    rows = history.kept[FULL]
    one = a_row(history, random)
    other = rows[rows.index(one) + 1]
    between = {one: replace(other, seq=one.seq), other: replace(one, seq=other.seq)}
    return Planted(rows_of(history, [between.get(each, each) for each in rows]), other.message_id)


@planted("a seq that does not rise", "misplaced")
def _(history: History, random: Random) -> Planted:
    rows, still = history.kept[FULL], a_row(history, random)
    before = rows[rows.index(still) - 1]
    return Planted(rows_of(history, instead(rows, still, replace(still, seq=before.seq))), still.message_id)


@planted("a status that falls", "backwards")
def _(history: History, random: Random) -> Planted:
    last = told_of(history, a_delivery(history, random))[-1]
    lower = random.choice([each for each, rank in RANKS.items() if rank < RANKS[last.state]])
    return Planted(replace(history, told=[*history.told, replace(last, state=lower), last]), f"'{lower}'")


@planted("told last what is not true", "stale")
def _(history: History, random: Random) -> Planted:
    ended = a_delivery(history, random)
    last = told_of(history, ended)[-1]
    gone = [each for each in told_of(history, ended) if each.reader == last.reader]
    told = [*without(history.told, *gone), replace(last, state="PENDING")]
    return Planted(replace(history, told=told), ended.message_id)


@planted("never told", "stale")
def _(history: History, random: Random) -> Planted:
    ended = a_delivery(history, random)
    who = random.choice([each.reader for each in told_of(history, ended)])
    gone = [each for each in told_of(history, ended) if each.reader == who]
    return Planted(replace(history, told=without(history.told, *gone)), f"reader='{who}'")


@planted("a position that is not told", "stale")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.positions)
    key = (one.reader, one.conversation_id, one.user)
    left = [each for each in history.positions if (each.reader, each.conversation_id, each.user) != key]
    return Planted(replace(history, positions=left), f"reader='{one.reader}'")


@planted("a position that falls", "receding")
def _(history: History, random: Random) -> Planted:
    last = random.choice(history.positions)
    highest = max(each for each in (one.read for one in history.positions if one.conversation_id == last.conversation_id))
    back = [replace(last, delivered=0, read=0), replace(last, delivered=highest, read=highest)]
    return Planted(replace(history, positions=[*history.positions, *back]), f"user='{last.user}', delivered=0")


@planted("a position beyond what was said", "beyond")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.positions)
    end = history.kept[one.conversation_id][-1].seq + 1
    return Planted(replace(history, positions=[*history.positions, replace(one, delivered=end, read=end)]), f"read={end}")


@planted("a position of nobody", "unfounded")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.positions)
    return Planted(replace(history, positions=[*history.positions, replace(one, user=STRANGER)]), STRANGER)


@planted("a receipt for nobody", "unfounded")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.told)
    return Planted(replace(history, told=[*history.told, replace(one, recipient=STRANGER)]), STRANGER)


@planted("a state told to who may not read the message", "leaks")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.told)
    return Planted(replace(history, told=[*history.told, replace(one, reader=STRANGER)]), STRANGER)


@planted("a position told to who is not in the conversation", "leaks")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.positions)
    return Planted(replace(history, positions=[*history.positions, replace(one, reader=STRANGER)]), STRANGER)


@planted("a delivery without an end", "endless")
def _(history: History, random: Random) -> Planted:
    ended = a_delivery(history, random)
    waiting = replace(ended, state="PENDING")
    return Planted(replace(without_sequel(history, ended), ended=instead(history.ended, ended, waiting)), ended.recipient)


@planted("FAILED, and nobody says why", "unexplained")
def _(history: History, random: Random) -> Planted:
    return Planted(failed(history, a_delivery(history, random), ""), "FAILED")


def failed(history: History, ended: Ended, reason: str) -> History:
    """That delivery FAILED, and everybody was told so."""
    last = {each.reader: replace(each, state="FAILED") for each in told_of(history, ended)}
    left = without_sequel(history, ended)
    ends = instead(history.ended, ended, replace(ended, state="FAILED", reason=reason))
    return replace(left, told=[*left.told, *last.values()], ended=ends)


@planted("acknowledged, and in no history", "unkept")
def _(history: History, random: Random) -> Planted:
    gone = a_row(history, random)
    return Planted(rows_of(history, without(history.kept[FULL], gone)), gone.message_id)


@planted("a stranger's message that is dropped", "lost", "unkept")
def _(history: History, random: Random) -> Planted:
    """Somebody on a channel wrote it: the provider had its 200, and nobody of ours has it."""
    dropped = next(each for each in of_full(history.accepted) if each.number == 2)
    message = dropped.message_id
    gone = [each for each in history.kept[FULL] if each.message_id == message]
    left = replace(
        history,
        seen=[each for each in history.seen if each.message_id != message],
        told=[each for each in history.told if each.message_id != message],
        ended=[each for each in history.ended if each.message_id != message],
    )
    return Planted(rows_of(left, without(history.kept[FULL], *gone)), message)


@planted("a file message without its file", "altered")
def _(history: History, _random: Random) -> Planted:
    bare = next(each for each in history.kept[FULL] if each.file)
    return Planted(rows_of(history, instead(history.kept[FULL], bare, replace(bare, file=""))), bare.message_id)


@planted("a file that cannot be fetched", "spoilt")
def _(history: History, random: Random) -> Planted:
    gone = random.choice(history.files)
    return Planted(replace(history, files=instead(history.files, gone, replace(gone, got=""))), gone.file_id)


@planted("a part of an upload that was lost", "spoilt")
def _(history: History, random: Random) -> Planted:
    short = random.choice(history.files)
    got = Carried(short.file_id, short.sent, "sum of less")
    return Planted(replace(history, files=instead(history.files, short, got)), short.file_id)


def joiner(history: History) -> tuple[str, Sequence[Accepted], Sequence[Accepted]]:
    """Who joined, what had been said before, and what since."""
    said = of_full(history.accepted)
    [who] = said[-1].readers - said[0].readers
    return who, [each for each in said if who not in each.readers], [each for each in said if who in each.readers]


@planted("who joined is told what was said before", "strangers")
def _(history: History, random: Random) -> Planted:
    who, before, _since = joiner(history)
    early = random.choice(before)
    return Planted(
        replace(history, seen=[Arrival(who, FULL, early.message_id, 1, early.text), *history.seen]), early.message_id
    )


@planted("who joined is not told the first of what was said since", "lost")
def _(history: History, _random: Random) -> Planted:
    who, _before, since = joiner(history)
    gone = next(each for each in history.seen if (each.to, each.message_id) == (who, since[0].message_id))
    return Planted(replace(history, seen=without(history.seen, gone)), gone.message_id)


@planted("other words at a provider", "altered")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.arrivals)
    return Planted(replace(history, arrivals=instead(history.arrivals, one, replace(one, text=f"{one.text}!"))), f"{one.text}!")


@planted("half the words at a reader", "altered")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.seen)
    return Planted(replace(history, seen=instead(history.seen, one, replace(one, text=one.text[:-1]))), one.message_id)


@planted("other words in the history", "altered")
def _(history: History, random: Random) -> Planted:
    row = a_row(history, random)
    return Planted(rows_of(history, instead(history.kept[FULL], row, replace(row, text="says nothing"))), row.message_id)


@planted("sent to somebody else", "lost", "strangers")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.arrivals)
    wrong = replace(one, to=f"{one.to}9")
    return Planted(replace(history, arrivals=instead(history.arrivals, one, wrong)), wrong.to)


@planted("shown to somebody who is not in the conversation", "strangers")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.seen)
    return Planted(replace(history, seen=[*history.seen, replace(one, to=STRANGER)]), STRANGER)


@planted("shown in another conversation", "misfiled")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.seen)
    other = random.choice([each for each in history.kept if each != one.conversation_id])
    return Planted(replace(history, seen=instead(history.seen, one, replace(one, conversation_id=other))), one.message_id)


@planted("kept in another conversation", "misfiled", "unkept")
def _(history: History, random: Random) -> Planted:
    row, other = a_row(history, random), random.choice([each for each in history.kept if each != FULL])
    there = history.kept[other]
    moved = rows_of(history, without(history.kept[FULL], row))
    return Planted(rows_of(moved, [*there, replace(row, seq=there[-1].seq + 1)], other), row.message_id)


@planted("one id for two messages in the history", "reused", "altered")
def _(history: History, random: Random) -> Planted:
    rows, row = history.kept[FULL], a_row(history, random)
    return Planted(rows_of(history, [*rows, replace(row, seq=rows[-1].seq + 1, text="something else")]), row.message_id)


@planted("one id acknowledged for two messages", "reused", "altered")
def _(history: History, random: Random) -> Planted:
    one = random.choice(history.accepted)
    return Planted(replace(history, accepted=[*history.accepted, replace(one, text="something else")]), one.message_id)


@planted("a message that stands in the history twice", "reused")
def _(history: History, random: Random) -> Planted:
    rows, row = history.kept[FULL], a_row(history, random)
    return Planted(rows_of(history, [*rows, replace(row, seq=rows[-1].seq + 1)]), row.message_id)


@planted("a delivery too many", "miscounted")
def _(history: History, random: Random) -> Planted:
    ended = a_delivery(history, random)
    more = replace(ended, recipient=STRANGER)
    told = [replace(each, recipient=STRANGER) for each in told_of(history, ended)]
    return Planted(replace(history, ended=[*history.ended, more], told=[*history.told, *told]), ended.message_id)


@planted("a delivery too few", "miscounted")
def _(history: History, random: Random) -> Planted:
    ended = a_delivery(history, random)
    return Planted(replace(without_sequel(history, ended), ended=without(history.ended, ended)), ended.message_id)


def back(history: History, **changes: Sequence[object]) -> History:
    return replace(history, resumed=[replace(history.resumed[0], **changes)])


def owed(history: History, random: Random) -> tuple[Resumed, str]:
    return history.resumed[0], random.choice(history.resumed[0].owed)


@planted("not told after coming back", "gaps")
def _(history: History, random: Random) -> Planted:
    resumed, gone = owed(history, random)
    return Planted(back(history, came=without(resumed.came, gone)), gone)


@planted("told twice after coming back", "repeats")
def _(history: History, random: Random) -> Planted:
    resumed, twice = owed(history, random)
    return Planted(back(history, came=[*resumed.came, twice]), twice)


@planted("told an old state after coming back", "stale")
def _(history: History, random: Random) -> Planted:
    told = history.resumed[0].told
    one = random.choice(told)
    return Planted(back(history, told=instead(told, one, replace(one, state="PENDING"))), one.message_id)


def _nothing(run: Course) -> None:
    """Harms nobody."""


LENIENT = Fault("planted", "second sends may come", _nothing, resends=True)


def row_of(made: Planted) -> Row:
    measured = Measured(made.history, made.counted, [], 1, 300.0, 30.0, 0.5, {}, [])
    return judge(LENIENT, "embedded", 1, measured)


@settings(max_examples=40)
@given(histories())
def test_a_good_run_brings_no_complaint(history: History) -> None:
    """Whatever its shape: nothing is wrong, and everything that was accepted is counted."""
    row = row_of(Planted(history, ""))
    assert (row.wrong, row.accepted, row.failed) == ([], len(history.accepted), 0)
    assert check(history).good


@pytest.mark.parametrize(("name", "plant", "complaints"), TABLE, ids=[name for name, _, _ in TABLE])
@settings(max_examples=8)
@given(history=histories(), random=st.builds(Random, SEEDS))
def test_a_planted_fault_is_found(
    name: str, plant: Plant, complaints: frozenset[str], history: History, random: Random
) -> None:
    """Every kind of fault, wherever it is planted, gets its own complaint and no other, and is named in it."""
    made = plant(history, random)
    assert made.history != history, f"nothing was planted: {name}"
    wrong = row_of(made).wrong
    assert {each.partition(":")[0] for each in wrong} == complaints
    assert any(made.about in each for each in wrong), f"{made.about} is not named: {wrong}"


def test_there_are_many_kinds() -> None:
    """The table has more than twenty, and every field of a report is complained of by one of them."""
    assert len({name for name, _, _ in TABLE}) == len(TABLE) > 20
    fields = set(check(History([], [], [])).summary()) - {"doubled_out"}
    assert fields <= {each for _, _, complaints in TABLE for each in complaints}


@settings(max_examples=8)
@given(history=histories(), random=st.builds(Random, SEEDS))
def test_what_a_run_may_bring_is_no_fault(history: History, random: Random) -> None:
    """A failure that says why, a second send that was counted, and a history that nobody asked for."""
    assert not row_of(Planted(failed(history, a_delivery(history, random), "blocked"), "")).wrong
    twice = random.choice([each for each in history.arrivals if each.to.startswith(("telegram", "instagram"))])
    counted = {(twice.message_id, twice.to): 1}
    assert not row_of(Planted(replace(history, arrivals=[*history.arrivals, twice]), "", counted)).wrong
    assert not row_of(Planted(replace(history, kept={}), "")).wrong
