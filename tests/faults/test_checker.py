"""The checker finds what is wrong, exactly that, and nothing in a good run."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.checker import Accepted, Arrival, Ended, History, Told, check, recovery_ms, waiting_at

PHONE = "whatsapp:+5511999990000"
SENT = [Accepted(f"m{number}", "c", number, frozenset({"bob"}), frozenset({PHONE})) for number in range(10)]
ARRIVED = [Arrival(PHONE, "c", each.message_id) for each in SENT]
SEEN = [Arrival("bob", "c", each.message_id) for each in SENT]
GOOD = History(SENT, ARRIVED, SEEN, [Told("bob", "m1", "p", "whatsapp", "SENT")], [Ended("m1", "p", "whatsapp", "READ")])


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


@settings(deadline=None, max_examples=100)
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
