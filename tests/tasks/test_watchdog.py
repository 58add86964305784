"""A worker is deaf when work waits in its queues and it takes none for long; nothing less makes it end."""

from tasks.watchdog import Hearing


def test_work_that_waits_long_while_nothing_is_taken_is_deafness() -> None:
    """Only after the whole time."""
    hearing = Hearing(10)
    assert [hearing.looked(3, now) for now in (0, 5, 9.9, 10)] == [False, False, False, True]


def test_a_task_taken_starts_the_time_anew() -> None:
    """A slow worker is not a deaf one."""
    hearing = Hearing(10)
    assert not hearing.looked(3, 0)
    hearing.heard()
    assert not hearing.looked(3, 10)
    assert hearing.looked(3, 20)


def test_empty_queues_are_no_sign_of_anything() -> None:
    """An idle worker lives on."""
    hearing = Hearing(10)
    assert [hearing.looked(waiting, now) for waiting, now in ((1, 0), (0, 9), (1, 11), (1, 20))] == [False] * 4
