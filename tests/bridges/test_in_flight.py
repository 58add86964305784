"""A batch under way is handed out again when it shows no life, each time after a longer wait."""

from bridges.ingest import RESEND_MOST_S, InFlight
from chat4all.model.records import INCOMING, BatchRef, Range

SPAN = Range(0, 5, 9)


class Watched:
    """A batch of five records whose clock the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.batch = InFlight(BatchRef(INCOMING, (SPAN,)), 5.0, lambda: self.now)

    def silent_after(self, seconds: float) -> bool:
        """Whether it shows no life so much later."""
        self.now += seconds
        return self.batch.is_silent()


def test_every_change_of_progress_is_a_sign_of_life() -> None:
    """Also a beat without a record more."""
    watched = Watched()
    for beat in range(3):
        assert watched.batch.left({0: (4, beat)}) == (SPAN,)
        assert not watched.silent_after(4.9)
    assert watched.silent_after(0.1)


def test_the_wait_for_life_doubles_with_each_run_and_ends_with_a_change() -> None:
    """Up to a minute; then as at first."""
    watched = Watched()
    watched.batch.left({})
    assert watched.silent_after(5.0)
    for wait in (10.0, 20.0, 40.0, RESEND_MOST_S, RESEND_MOST_S):
        run = watched.batch.ref.run
        assert watched.batch.again((SPAN,)).run == run + 1
        watched.batch.left({})
        assert not watched.silent_after(wait - 0.1)
        assert watched.silent_after(0.1)
    watched.batch.left({0: (5, 0)})
    assert not watched.silent_after(4.9)
    assert watched.silent_after(0.1)


def test_what_is_done_is_left_out() -> None:
    """By partition."""
    watched = Watched()
    assert watched.batch.left({0: (8, 1)}) == (SPAN,)
    assert watched.batch.left({0: (9, 2)}) == ()
