"""A worker is deaf when work waits in its queues and it takes none for long; nothing less makes it end."""

from tasks.watchdog import Hearing


class Watched:
    """A hearing whose clock the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.hearing = Hearing(10, lambda: self.now)

    def looked(self, waiting: int, now: float) -> bool:
        """What it says at this time."""
        self.now = now
        return self.hearing.looked(waiting)


def test_work_that_waits_long_while_nothing_is_taken_is_deafness() -> None:
    """Only after the whole time."""
    watched = Watched()
    assert [watched.looked(3, now) for now in (0, 5, 9.9, 10)] == [False, False, False, True]


def test_a_task_taken_starts_the_time_anew() -> None:
    """A slow worker is not a deaf one."""
    watched = Watched()
    assert not watched.looked(3, 0)
    watched.hearing.heard()
    assert not watched.looked(3, 10)
    assert watched.looked(3, 20)


def test_empty_queues_are_no_sign_of_anything() -> None:
    """An idle worker lives on."""
    watched = Watched()
    assert [watched.looked(waiting, now) for waiting, now in ((1, 0), (0, 9), (1, 11), (1, 20))] == [False] * 4
