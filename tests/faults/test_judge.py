"""From a run to a row: what is allowed under which fault, and what never is."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from ops.faults.course import Course
from ops.faults.history import Accepted, Arrival, Ended, History, Position, Resumed, Told
from ops.faults.judge import Fault, Measured, Row, judge

PHONE = "telegram:77000"
HANDLED = "whatsapp:+5511"


def _nothing(run: Course) -> None:
    """Harms nobody."""


STRICT = Fault("strict", "nothing may come twice", _nothing, recovery_s=7.0)
LENIENT = Fault("lenient", "a second send may come", _nothing, resends=True)


def _history(to: str, count: int = 10, twice: Sequence[int] = (), late_ms: int = 0) -> History:
    accepted = [Accepted(f"m{n}", "c", n, frozenset(), frozenset({to}), 1000 + n) for n in range(count)]
    arrivals = [Arrival(to, "c", each.message_id, each.at + late_ms) for each in accepted]
    return History(accepted, arrivals + [arrivals[n] for n in twice], [])


def _row(fault: Fault, history: History, resends: Mapping[tuple[str, str], int] | None = None, kills: int = 1) -> Row:
    return judge(fault, "embedded", 1, Measured(history, resends or {}, [1009], kills, 300.0, 30.0, 0.5, {}, []))


def test_a_run_without_fault_keeps_everything() -> None:
    """All came once and soon: nothing is wrong, and the figures are those of the run."""
    row = _row(STRICT, _history(PHONE))
    assert (row.wrong, row.accepted, row.lost, row.recovery_s, row.recovery_limit_s) == ([], 10, 0, 0.0, 7.0)


def test_a_lost_message_is_never_allowed() -> None:
    """Whatever the fault allows, a message that did not come breaks the row."""
    history = _history(PHONE)
    row = _row(LENIENT, msgspec.structs.replace(history, arrivals=history.arrivals[1:]))
    assert (row.lost, len(row.wrong)) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "to", "own", "words"),
    [
        (STRICT, PHONE, 1, "doubled at providers"),
        (LENIENT, HANDLED, 1, "channel with a handle"),
        (LENIENT, PHONE, 0, "not counted"),
        (LENIENT, PHONE, 1, ""),
    ],
)
def test_a_second_send_is_allowed_where_it_cannot_be_avoided_and_is_counted(
    fault: Fault, to: str, own: int, words: str
) -> None:
    """Only under faults that lose outcomes, only without a handle, only when the system counted it too."""
    row = _row(fault, _history(to, twice=[3]), {("m3", to): own} if own else {})
    assert row.doubled_providers == 1
    assert [words in each for each in row.wrong] == ([True] if words else [])


def test_where_calls_are_cut_everywhere_only_the_count_matters() -> None:
    """In the random mix second sends come on every channel and more than once; each is still counted by the system itself."""
    mix = msgspec.structs.replace(LENIENT, cut_calls=True)
    history = _history(HANDLED, twice=[3, 3, 4])
    assert not _row(mix, history, {("m3", HANDLED): 2, ("m4", HANDLED): 1}).wrong
    assert "not counted" in _row(mix, history, {("m3", HANDLED): 1, ("m4", HANDLED): 1}).wrong[0]
    assert not _row(mix, history, {("m3", HANDLED): 5, ("m4", HANDLED): 1, ("m5", HANDLED): 1}).wrong


def test_what_was_told_last_breaks_a_row() -> None:
    """A row counts stale states, receding positions and gaps, and each of them breaks it."""
    history = msgspec.structs.replace(
        _history(PHONE, count=1),
        ended=[Ended("m0", "p", "telegram", "SENT", "c", 1)],
        told=[Told("amy", "m0", "p", "telegram", "PENDING", "d1"), Told("bob", "m0", "p", "telegram", "SENT", "d1")],
        accepted=[Accepted("m0", "c", 0, frozenset({"amy", "bob"}), frozenset({PHONE}), 1000)],
        seen=[Arrival("amy", "c", "m0", 1000), Arrival("bob", "c", "m0", 1000)],
        positions=[Position("amy", "c", "bob", 3, 3), Position("amy", "c", "bob", 2, 2)],
        resumed=[Resumed("amy again", ["m0"], [])],
    )
    row = _row(STRICT, history)
    assert (row.stale, row.receding, row.gaps) == (1, 1, 1)
    assert len(row.wrong) == 3


def test_one_key_may_double_once_per_kill() -> None:
    """Two second sends of one key at one kill are one too many."""
    own = {("m3", PHONE): 1, ("m4", PHONE): 1}
    assert not _row(LENIENT, _history(PHONE, twice=[3, 4]), own, kills=2).wrong
    assert "2 second sends" in _row(LENIENT, _history(PHONE, twice=[3, 4]), own, kills=1).wrong[0]


def test_recovery_is_held_to_its_limit() -> None:
    """What came too late after the last hit is told of the row; a backlog has its time where that is promised."""
    late = _history(PHONE, late_ms=8000)
    assert "recovered after 8.0 s" in _row(STRICT, late).late[0]
    patient = msgspec.structs.replace(STRICT, backlog=True)
    assert not _row(patient, _history(PHONE, count=1000, late_ms=7005)).late


def test_keys_of_unknown_outcome_do_not_count_for_recovery() -> None:
    """They wait by rule, and are counted as second sends."""
    assert _row(STRICT, _history(PHONE, late_ms=12_000), {("m3", PHONE): 1}).recovery_s == 0.0
