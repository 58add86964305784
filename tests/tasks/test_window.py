"""How far a lane is read and done with: the window against a model that remembers every row."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chat4all.model.deliveries import LAST_INDEX
from tasks.lanes.window import Place, Window

SEQS = 40


class WindowMachine(RuleBasedStateMachine):
    """Rows are read in pages and closed in any order. The model keeps a list of those that are open, and looks through it."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(5, 3)
        self.open: list[Place] = []
        self.read: Place = (3, LAST_INDEX)
        self.fanned, self.reached = 5, 3

    @rule(seq=st.integers(0, SEQS))
    def grows(self, seq: int) -> None:
        """fan_out wrote more, or an older figure comes late."""
        assert self.window.grow(seq) is (seq > self.fanned)
        self.fanned = max(self.fanned, seq)

    @precondition(lambda self: self.window.has_unread)
    @rule(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=6), full=st.booleans())
    def reads(self, steps: list[tuple[int, int, bool]], full: bool) -> None:
        """A page: rows further on, in order, of which some need nothing. A full page ends at its last row."""
        place, rows = self.read, list[tuple[Place, bool]]()
        for further, index, opens in steps:
            seq = place[0] + further
            follows = (seq, place[1] + 1 if further == 0 and place[1] != LAST_INDEX else index)
            if follows > place and seq <= self.fanned:
                rows.append((follows, opens))
                place = follows
        for row, opens in rows:
            if opens:
                self.window.take(row[0])
                self.open.append(row)
        self.read = place if full and rows else (self.fanned, LAST_INDEX)
        self.window.pass_to(self.read)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def closes(self, data: st.DataObject) -> None:
        """Any of the open rows is done with."""
        row = data.draw(st.sampled_from(self.open))
        self.open.remove(row)
        assert self.window.close(row[0]) is all(each[0] != row[0] for each in self.open)

    @rule()
    def writes_the_cursor(self) -> None:
        """The store has it now."""
        self.window.cursor = max(self.window.cursor, self.window.reached())

    @invariant()
    def reaches_as_far_as_no_row_is_open_or_unread(self) -> None:
        """Looked up seq by seq; and it never falls."""
        done = [
            seq for seq in range(-1, SEQS + 1) if self.read >= (seq, LAST_INDEX) and not any(row[0] <= seq for row in self.open)
        ]
        assert self.window.reached() == max(done)
        assert self.window.reached() >= self.reached
        self.reached = self.window.reached()

    @invariant()
    def knows_what_is_left(self) -> None:
        """Unread rows may exist above what was read; it is clean when none is open and the cursor covers all that exist."""
        assert self.window.has_unread is (self.read < (self.fanned, LAST_INDEX))
        assert self.window.is_clean is (not self.open and self.window.cursor >= self.fanned)
        assert self.window.known == (5, LAST_INDEX)


TestWindow = WindowMachine.TestCase
TestWindow.settings = settings(max_examples=100, stateful_step_count=30)


def test_a_row_is_not_closed_twice() -> None:
    """It would move the cursor past another row of the same message."""
    window = Window(5, 3)
    window.take(4)
    assert window.close(4)
    with pytest.raises(KeyError):
        window.close(4)
