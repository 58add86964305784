"""Judges a run from outside: what was accepted, what arrived at providers, what readers saw, how deliveries ended.

Pure: it knows no server, so that its own tests can feed it histories with known faults.
"""

from collections import Counter
from collections.abc import Hashable, Iterable

from msgspec import Struct

from ops.faults.history import Accepted, Arrival, Carried, Ended, History, Position, Resumed, Told, has_ended
from ops.faults.keeping import Miscount, altered, miscounted, misfiled, misplaced, reused, unexplained, unkept
from ops.faults.telling import Stale, backwards, beyond, leaks, receding, stale, unfounded


class Report(Struct, frozen=True):
    """What was wrong; every field is empty after a good run.

    lost: (message, to) that never came. doubled_out, doubled_in: (message, to) that came more than once, and how much
    more, at providers and at streams. inversions: (to, conversation, earlier, later) where the later message came first.
    strangers: (message, to) that nobody sent there. backwards: a state told lower than before. endless: not ended.
    receding: a position told lower than before. stale: what was told last is not what is true. gaps: (reader, message) that was
    not told again to who came back with an old cursor; repeats: told to them twice. spoilt: files that came as others.
    unkept, misfiled, misplaced, reused, altered: see `keeping`, which also finds failures without a reason (unexplained) and
    deliveries that are too many or too few (miscounted). unfounded, leaks, beyond: told of what is not there, to who may not
    know, and of messages to come; see `telling`.
    """

    lost: list[tuple[str, str]]
    doubled_out: dict[tuple[str, str], int]
    doubled_in: dict[tuple[str, str], int]
    inversions: list[tuple[str, str, str, str]]
    strangers: list[tuple[str, str]]
    backwards: list[Told]
    endless: list[Ended]
    receding: list[Position] = []
    stale: list[Stale] = []
    gaps: list[tuple[str, str]] = []
    repeats: list[tuple[str, str]] = []
    spoilt: list[Carried] = []
    unkept: list[tuple[str, str]] = []
    misfiled: list[tuple[str, str, str]] = []
    misplaced: list[tuple[str, str, str]] = []
    reused: list[str] = []
    altered: list[tuple[str, str, str]] = []
    unexplained: list[Ended] = []
    miscounted: list[Miscount] = []
    unfounded: list[Told | Position] = []
    leaks: list[tuple[str, str]] = []
    beyond: list[Position] = []

    @property
    def good(self) -> bool:
        """Nothing was wrong."""
        return not any(getattr(self, name) for name in self.__struct_fields__)

    def summary(self) -> dict[str, int]:
        """How many of each, for people."""
        return {name: len(getattr(self, name)) for name in self.__struct_fields__}


def check(history: History) -> Report:
    """Judge a run."""
    wanted = [(each.message_id, to) for each in history.accepted for to in each.readers | each.addresses]
    came = Counter((each.message_id, each.to) for each in [*history.arrivals, *history.seen])
    # What failed and was sent again by hand comes after what was said later: nobody can promise otherwise.
    again = {(each.message_id, each.channel) for each in history.ended if each.refused}
    in_order = [each for each in history.arrivals if (each.message_id, each.to.partition(":")[0]) not in again]
    return Report(
        lost=[pair for pair in wanted if pair not in came and pair not in history.withdrawn],
        doubled_out=_doubled(history.arrivals),
        doubled_in=_doubled(history.seen),
        inversions=[*_inversions(history.accepted, in_order), *_inversions(history.accepted, history.seen)],
        strangers=sorted(came.keys() - set(wanted)),
        backwards=backwards(history.told),
        endless=[each for each in history.ended if not has_ended(each)],
        receding=receding(history.positions),
        stale=stale(history),
        gaps=[(each.reader, message) for each in history.resumed for message in each.owed if message not in set(each.came)],
        repeats=[(each.reader, message) for each in history.resumed for message, times in _times(each) if times > 1],
        spoilt=[each for each in history.files if each.sent != each.got],
        unkept=unkept(history),
        misfiled=misfiled(history),
        misplaced=misplaced(history),
        reused=reused(history),
        altered=altered(history),
        unexplained=unexplained(history),
        miscounted=miscounted(history),
        unfounded=unfounded(history),
        leaks=leaks(history),
        beyond=beyond(history),
    )


def _times(resumed: Resumed) -> Iterable[tuple[str, int]]:
    return Counter(resumed.came).items()


def _doubled(arrivals: Iterable[Arrival]) -> dict[tuple[str, str], int]:
    counts = Counter((each.message_id, each.to) for each in arrivals)
    return {pair: count - 1 for pair, count in counts.items() if count > 1}


def _inversions(accepted: Iterable[Accepted], arrivals: Iterable[Arrival]) -> list[tuple[str, str, str, str]]:
    """First arrivals only, in their own conversation and from their own account: a repeat is a double, not a disorder, and
    two conversations, or accounts, say nothing about each other.
    """
    said = {each.message_id: each for each in accepted}
    newest: dict[tuple[str, str, str], str] = {}
    known: set[Hashable] = set()
    found = []
    for each in arrivals:
        message = said.get(each.message_id)
        if message is None or message.conversation_id != each.conversation_id or (each.message_id, each.to) in known:
            continue
        known.add((each.message_id, each.to))
        key = (each.to, each.conversation_id, each.account)
        before = newest.get(key, each.message_id)
        if said[before].number > message.number:
            found.append((each.to, each.conversation_id, each.message_id, before))
        else:
            newest[key] = each.message_id
    return found
