"""The checker finds what is wrong, exactly that, and nothing in a good run."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.faults.checker import check
from ops.faults.history import Accepted, Arrival, Carried, Ended, History, Position, Resumed, Told
from ops.faults.recovery import recovery_ms, waiting_at
from ops.faults.telling import Stale

PHONE = "whatsapp:+5511999990000"
SENT = [Accepted(f"m{number}", "c", number, frozenset({"bob"}), frozenset({PHONE})) for number in range(10)]
ARRIVED = [Arrival(PHONE, "c", each.message_id) for each in SENT]
SEEN = [Arrival("bob", "c", each.message_id) for each in SENT]
TOLD = [Told("bob", "m1", "p", "whatsapp", state) for state in ("SENT", "READ")]
GOOD = History(SENT, ARRIVED, SEEN, TOLD, [Ended("m1", "p", "whatsapp", "READ")])


def test_a_good_run_has_no_faults() -> None:
    """Everything came once and in order."""
    assert check(GOOD).good


def test_one_lost_one_doubled_one_swapped_are_found_exactly() -> None:
    """A history with three known faults gives these three and no other."""
    arrived = [each for each in ARRIVED if each.message_id != "m3"]
    arrived.insert(6, Arrival(PHONE, "c", "m5"))
    seen = list(SEEN)
    seen[7], seen[8] = seen[8], seen[7]
    report = check(msgspec.structs.replace(GOOD, arrivals=arrived, seen=seen))
    assert report.lost == [("m3", PHONE)]
    assert report.doubled_out == {("m5", PHONE): 1}
    assert report.inversions == [("bob", "c", "m7", "m8")]
    assert (report.doubled_in, report.strangers, report.backwards, report.endless) == ({}, [], [], [])


def test_a_message_at_a_stranger_is_found() -> None:
    """Whoever gets what was not sent to them is reported."""
    arrived = [*ARRIVED, Arrival("whatsapp:+1", "c", "m1")]
    assert check(msgspec.structs.replace(GOOD, arrivals=arrived)).strangers == [("m1", "whatsapp:+1")]


def test_a_state_that_goes_back_is_found() -> None:
    """READ, then DELIVERED of the same delivery, is reported once."""
    told = [Told("bob", "m1", "p", "whatsapp", state) for state in ("SENT", "READ", "DELIVERED", "READ")]
    assert check(msgspec.structs.replace(GOOD, told=told)).backwards == [told[2]]


def test_an_endless_delivery_is_found() -> None:
    """A delivery that is neither READ nor FAILED has not ended."""
    ended = [Ended("m1", "p", "whatsapp", "SENT"), Ended("m2", "p", "whatsapp", "FAILED")]
    assert check(msgspec.structs.replace(GOOD, ended=ended)).endless == ended[:1]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 9), max_size=30))
def test_losses_and_doubles_add_up(numbers: list[int]) -> None:
    """For any arrivals: what came plus what is lost is what was sent, and doubles are all that came beyond once."""
    report = check(msgspec.structs.replace(GOOD, arrivals=[Arrival(PHONE, "c", f"m{number}") for number in numbers]))
    assert len(report.lost) == 10 - len(set(numbers))
    assert sum(report.doubled_out.values()) == len(numbers) - len(set(numbers))
    firsts = list(dict.fromkeys(numbers))
    assert (report.inversions == []) == (firsts == sorted(firsts))


def test_every_channel_ends_where_its_provider_stops_telling() -> None:
    """SENT is the end on Telegram and DELIVERED on Messenger; WhatsApp's messages are read in these runs."""
    ends = [
        Ended("m1", "p", "telegram", "SENT"),
        Ended("m2", "p", "messenger", "DELIVERED"),
        Ended("m3", "p", "whatsapp", "DELIVERED"),
        Ended("m4", "p", "telegram", "PENDING"),
    ]
    assert check(msgspec.structs.replace(GOOD, ended=ends)).endless == ends[2:]


def test_recovery_is_the_last_first_arrival_of_what_was_accepted_before() -> None:
    """Later messages, repeats and excused keys do not count; what waited at that moment does."""
    sent = [msgspec.structs.replace(each, at=1000 + 10 * each.number, readers=frozenset()) for each in SENT]
    arrived = [msgspec.structs.replace(each, at=2000 + 10 * number) for number, each in enumerate(ARRIVED)]
    again = msgspec.structs.replace(arrived[0], at=9000)
    history = History(sent, [*arrived, again], [])
    assert recovery_ms(history, 1050) == 1000
    assert recovery_ms(history, 1050, {(PHONE, "c")}) == 0
    assert recovery_ms(history, 5000) == 0
    assert (waiting_at(history, 1050), waiting_at(history, 2005), waiting_at(history, 5000)) == (6, 9, 0)


FIRST = SENT[:3]
PLACES = [Position("amy", "c", "bob", 1, 1), Position("amy", "c", "bob", 3, 3)]
WHOLE = History(
    [msgspec.structs.replace(each, readers=frozenset({"amy", "bob"})) for each in FIRST],
    ARRIVED[:3],
    [Arrival(reader, "c", each.message_id) for reader in ("amy", "bob") for each in FIRST],
    [Told(reader, each.message_id, "p", "whatsapp", "READ", "d7") for reader in ("amy", "bob") for each in FIRST],
    [
        *(Ended(each.message_id, "p", "whatsapp", "READ", "c", each.number + 1) for each in FIRST),
        *(Ended(each.message_id, "bob", "chat4all", "READ", "c", each.number + 1) for each in FIRST),
    ],
    PLACES,
    [Resumed("amy again", ["m1", "m2"], ["m1", "m2"], [Told("amy again", "m1", "p", "whatsapp", "READ", "d7")])],
    [Carried("f", "abc", "abc")],
)


def _last(state: str, reader: str = "amy") -> list[Told]:
    """All as it was, and one thing more."""
    return [*WHOLE.told, Told(reader, "m2", "p", "whatsapp", state, "d7")]


def _back(**changes: Any) -> list[Resumed]:
    return [msgspec.structs.replace(WHOLE.resumed[0], **changes)]


PLANTED: list[tuple[str, dict[str, Any], str, Any]] = [
    ("told less last", {"told": [*WHOLE.told[:2], *_last("DELIVERED")[3:]]}, "stale", [
        Stale("amy", "m2", "p", "whatsapp", "DELIVERED", "READ"),
    ]),
    ("told nothing", {"told": WHOLE.told[:-1]}, "stale", [Stale("bob", "m2", "p", "whatsapp", "", "READ")]),
    ("a position not told", {"positions": PLACES[:1]}, "stale", [
        Stale("amy", "m1", "bob", "chat4all", "SENT", "READ"),
        Stale("amy", "m2", "bob", "chat4all", "SENT", "READ"),
    ]),
    ("a position half told", {"positions": [*PLACES[:1], Position("amy", "c", "bob", 3, 2)]}, "stale", [
        Stale("amy", "m2", "bob", "chat4all", "DELIVERED", "READ"),
    ]),
    ("a position that falls", {"positions": [*PLACES, *PLACES[:1], PLACES[1]]}, "receding", PLACES[:1]),
    ("a state that falls", {"told": [*_last("SENT"), *_last("READ")[-1:]]}, "backwards", _last("SENT")[-1:]),
    ("a gap after an old cursor", {"resumed": _back(came=["m2"])}, "gaps", [("amy again", "m1")]),
    ("told twice after an old cursor", {"resumed": _back(came=["m1", "m2", "m1"])}, "repeats", [("amy again", "m1")]),
    ("told what is not true", {"resumed": _back(told=[Told("amy again", "m1", "p", "whatsapp", "SENT", "d7")])}, "stale", [
        Stale("amy again", "m1", "p", "whatsapp", "SENT", "READ"),
    ]),
    ("a file that came as another", {"files": [Carried("f", "abc", "abd")]}, "spoilt", [Carried("f", "abc", "abd")]),
]  # fmt: skip


def test_a_good_mix_has_no_faults() -> None:
    """States, positions, cursors and files, all as they should be."""
    assert check(WHOLE).good, check(WHOLE).summary()


@pytest.mark.parametrize(("case", "changes", "name", "found"), PLANTED, ids=[each[0] for each in PLANTED])
def test_a_planted_fault_is_found_and_no_other(case: str, changes: dict[str, Any], name: str, found: Any) -> None:
    """One fault in a good history is reported where it belongs, whole, and nothing else is."""
    report = check(msgspec.structs.replace(WHOLE, **changes))
    assert getattr(report, name) == found
    assert {each for each, count in report.summary().items() if count} == {name}


def test_what_was_sent_again_by_hand_may_come_late() -> None:
    """A delivery that had failed arrives after what was said later; nothing else may, and none may stay away."""
    late = [*ARRIVED[1:3], ARRIVED[0]]
    assert check(msgspec.structs.replace(WHOLE, arrivals=late)).inversions
    again = [msgspec.structs.replace(each, refused=each.message_id == "m0") for each in WHOLE.ended]
    assert not check(msgspec.structs.replace(WHOLE, arrivals=late, ended=again)).inversions
    assert check(msgspec.structs.replace(WHOLE, arrivals=ARRIVED[1:3], ended=again)).lost == [("m0", PHONE)]


def test_a_resend_is_a_delivery_of_its_own() -> None:
    """FAILED, then SENT and READ of the resend: no state fell, and what was told last is true."""
    told = [
        *[each for each in WHOLE.told if (each.reader, each.message_id) != ("amy", "m2")],
        Told("amy", "m2", "p", "whatsapp", "FAILED", "d3"),
        Told("amy", "m2", "p", "whatsapp", "SENT", "d9"),
        Told("amy", "m2", "p", "whatsapp", "READ", "d9"),
    ]
    assert check(msgspec.structs.replace(WHOLE, told=told)).good


def test_order_is_that_of_an_account() -> None:
    """What one person gets from two accounts is in two orders; what one account sends is in one."""
    swapped = [ARRIVED[1], ARRIVED[0], *ARRIVED[2:]]
    assert check(msgspec.structs.replace(GOOD, arrivals=swapped)).inversions
    moved = [msgspec.structs.replace(swapped[0], account="2"), *swapped[1:]]
    assert check(msgspec.structs.replace(GOOD, arrivals=moved)).good


def test_what_was_withdrawn_is_not_lost() -> None:
    """Its readers were told that it will not come; what nobody was told of is lost."""
    arrived = [each for each in ARRIVED if each.message_id != "m1"]
    gone = msgspec.structs.replace(GOOD, arrivals=arrived)
    assert check(gone).lost == [("m1", PHONE)]
    assert check(msgspec.structs.replace(gone, withdrawn=frozenset({("m1", PHONE)}))).lost == []
