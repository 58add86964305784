"""Whose turn it is among a lane's keys: against a model that looks through all of them."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import Struct

from chat4all.model.content import Text
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane
from tasks.lanes.bounds import Bounds
from tasks.lanes.keys import Keys, key_of_row, place_of
from tasks.lanes.timetable import Key, waits_at
from tasks.lanes.window import Place

LANE = Lane("whatsapp", 0)
OF_ONE_KEY, CATCH_UPS = 3, 2


def row(number: int, seq: int) -> Delivery:
    """A delivery of the key with this number."""
    return Delivery(DeliveryKey(LANE, seq, 0), "talk", f"m{seq}", "user", f"+{number}", Text("x"), 1)


class Simple(Struct):
    """A key as the model has it: its rows in memory, where it waits and until when, whether it is being served or rests."""

    queue: list[Delivery]
    waits: Place | None = None
    retry_at: int = 0
    at: int = 0
    serving: bool = False
    looked_up: bool = False
    rests_until: int = 0


class KeysMachine(RuleBasedStateMachine):
    """A lane's life with few keys, little room and a clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.now, self.seq = Keys(LANE, Bounds(of_one_key=OF_ONE_KEY, catch_ups=CATCH_UPS)), 1000, 0
        self.model: dict[Key, Simple] = {}
        # Rows that were read and have not ended: each must be in memory, or behind the place where its key waits.
        self.left: list[Delivery] = []

    def of(self, key: Key) -> Simple:
        return self.model.setdefault(key, Simple([]))

    def served_now(self) -> list[Key]:
        return [key for key, each in self.model.items() if each.serving]

    @rule(by=st.integers(1, 40))
    def time_goes_by(self, by: int) -> None:
        """Waits and rests end."""
        self.now += by

    @rule(number=st.integers(0, 3))
    def a_row_is_read(self, number: int) -> None:
        """The next of the lane, of some key."""
        self.seq += 1
        read = row(number, self.seq)
        key, place = key_of_row(read), place_of(read)
        mine = self.of(key)
        self.left.append(read)
        assert self.keys.covers(read) is (mine.waits is not None and mine.waits <= place)
        if self.keys.covers(read):
            return
        written = self.keys.add(read, self.now)
        if mine.waits is not None or len(mine.queue) >= OF_ONE_KEY:
            first = place_of(mine.queue[0]) if mine.queue else place
            assert written is not None
            assert (written.seq, written.index) == first
            mine.waits, mine.retry_at, mine.at = place, self.now, self.now
        else:
            assert written is None
            mine.queue.append(read)

    @rule(number=st.integers(0, 3), later=st.integers(1, 3), after=st.integers(0, 30))
    def a_wait_is_loaded(self, number: int, later: int, after: int) -> None:
        """At a row that is still to be read, of a key that has nothing in memory and does not wait."""
        key = key_of_row(row(number, 0))
        mine = self.of(key)
        if mine.queue or mine.waits or mine.serving:
            return
        mine.waits, mine.retry_at, mine.at = (self.seq + later, 0), self.now + after, self.now + after
        self.keys.wait(waits_at(LANE, key, mine.waits, mine.retry_at))

    @rule(closed_ms=st.sampled_from([None, 0]))
    def one_is_given_out(self, closed_ms: int | None) -> None:
        """A ready one, else one that is due if there is room; none only where there is none, and then it says until when."""
        room = sum(each.looked_up for each in self.model.values()) < (1 if closed_ms == 0 else CATCH_UPS)
        free = {key: each for key, each in self.model.items() if not each.serving}
        ready = {key for key, each in free.items() if each.queue and each.rests_until <= self.now}
        due = {key for key, each in free.items() if room and not each.queue and each.waits and each.at <= self.now}
        given = self.keys.next(self.now, lambda _: closed_ms)
        if given is None:
            assert not ready
            assert not due
            times = [each.rests_until for each in free.values() if each.queue]
            if room:
                times += [each.at for each in free.values() if each.waits and not each.queue]
                # A key that waits and is served, or has rows in memory, may wake the lane in vain; it is looked up afterwards.
                asked = self.keys.next_at(lambda _: closed_ms)
                assert asked is None or asked > self.now
                assert not times or (asked is not None and asked <= min(times))
            else:
                assert self.keys.next_at(lambda _: closed_ms) == min(times, default=None)
            return
        assert given in (ready or due)
        self.model[given].serving, self.model[given].looked_up = True, given not in ready

    @precondition(lambda self: any(each.serving and each.queue for each in self.model.values()))
    @rule(data=st.data())
    def a_row_in_memory_ends(self, data: st.DataObject) -> None:
        """The first of a key that is being served from memory."""
        key = data.draw(st.sampled_from([key for key in self.served_now() if self.model[key].queue]))
        mine = self.model[key]
        assert self.keys.head(key) == mine.queue[0]
        self.keys.pop(key)
        self.left.remove(mine.queue.pop(0))

    @precondition(lambda self: self.served_now())
    @rule(data=st.data(), after=st.integers(0, 30))
    def a_key_must_wait(self, data: st.DataObject, after: int) -> None:
        """From its first row that has not ended: written down, its rows forgotten, and no longer served."""
        key = data.draw(st.sampled_from(self.served_now()))
        mine = self.model[key]
        mine_left = [each for each in self.left if key_of_row(each) == key]
        if not mine_left:
            return
        place = place_of(mine_left[0])
        self.keys.wait(waits_at(LANE, key, place, self.now + after, 1))
        assert self.keys.forget(key) == mine.queue
        mine.queue, mine.waits, mine.retry_at, mine.at = [], place, self.now + after, self.now + after
        self.ends_serving(key, 0)

    @precondition(lambda self: self.served_now())
    @rule(data=st.data(), pause=st.sampled_from([0, 0, 25]))
    def a_key_is_let_go(self, data: st.DataObject, pause: int) -> None:
        """It failed, or nothing more is in memory."""
        self.ends_serving(data.draw(st.sampled_from(self.served_now())), pause)

    @precondition(lambda self: any(each.looked_up and each.waits for each in self.model.values()))
    @rule(data=st.data())
    def a_key_is_caught_up_with(self, data: st.DataObject) -> None:
        """All its rows that were read have ended: it waits no more."""
        key = data.draw(st.sampled_from([key for key, each in self.model.items() if each.looked_up and each.waits]))
        self.keys.resume(key)
        self.left = [each for each in self.left if key_of_row(each) != key]
        self.model[key].waits = None
        self.ends_serving(key, 0)

    def ends_serving(self, key: Key, pause: int) -> None:
        mine = self.model[key]
        said = self.keys.served(key, self.now, pause)
        assert said or not (mine.looked_up or mine.queue or mine.waits)
        mine.serving = mine.looked_up = False
        mine.rests_until = self.now + pause if mine.queue else 0
        mine.at = max(mine.retry_at, self.now + pause if pause else 0)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every row that was read and has not ended is in memory, or its key waits at or before it."""
        for each in self.left:
            mine = self.model[key_of_row(each)]
            assert each in mine.queue or (mine.waits is not None and mine.waits <= place_of(each))
            waiting = self.keys.waiting(key_of_row(each))
            assert (waiting and (waiting.seq, waiting.index)) == mine.waits

    @invariant()
    def counts_what_is_in_memory(self) -> None:
        """And each key's first row is its lowest."""
        assert self.keys.rows == sum(len(each.queue) for each in self.model.values())
        for key, each in self.model.items():
            assert self.keys.head(key) == min(each.queue, key=place_of, default=None)
            assert len(each.queue) <= OF_ONE_KEY


TestKeys = KeysMachine.TestCase
TestKeys.settings = settings(max_examples=150, stateful_step_count=40)


def test_a_key_in_trouble_has_its_rows_read_anew_until_it_was_served() -> None:
    """An outage is not counted; what the store knows replaces what is in memory, and rows that came meanwhile stay."""
    keys = Keys(LANE)
    first, second = row(1, 1), row(1, 2)
    key = key_of_row(first)
    keys.add(first, 0)
    assert keys.next(0, lambda _: None) == key
    assert keys.stale(key) == []
    assert [keys.failed(key, by_itself=each) for each in (False, True, True, False)] == [0, 1, 2, 2]
    assert keys.stale(key) == [first.key]
    keys.add(second, 0)
    known = first.seen(Facts(attempts=1))
    keys.renew(key, {first.key: known})
    queued: list[Any] = []
    while head := keys.head(key):
        queued.append(head)
        keys.pop(key)
    assert queued == [known, second]
    keys.succeeded(key)
    assert keys.failed(key, by_itself=True) == 1


def test_who_is_known_to_be_worth_sending_is_put_off_while_the_account_is_closed() -> None:
    """Without being looked up; the others are looked up, so that it is known when they end."""
    keys, known, unknown = Keys(LANE), key_of_row(row(1, 0)), key_of_row(row(2, 0))
    keys.wait(waits_at(LANE, known, (1, 0), 10, 1), ends=5000)
    keys.wait(waits_at(LANE, unknown, (2, 0), 20, 1))
    assert keys.next(100, lambda _: 50) == unknown
    assert keys.next(100, lambda _: 50) is None
    assert keys.next_at(lambda _: 50) == 150
    assert keys.next(150, lambda _: None) == known
