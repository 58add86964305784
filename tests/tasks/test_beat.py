"""The beat: what is sent when, with a clock of its own."""

import subprocess
import sys
from typing import Any

from celery import Celery

from chat4all.root import ROOT
from tasks.beat import IntervalScheduler


class Noting(IntervalScheduler):
    """Notes what it would send."""

    def __init__(self, now: list[float]) -> None:
        self.sent: list[tuple[float, str]] = []
        self.now = now
        app = Celery("test", set_as_current=False)
        app.conf.beat_schedule = {
            "often": {"task": "sweep", "schedule": 1.0, "options": {"expires": 10}},
            "seldom": {"task": "tidy", "schedule": 2.5},
        }
        super().__init__(app, clock=lambda: self.now[0])

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **_: Any) -> None:
        """In the place of the broker."""
        self.sent.append((self.now[0], entry.task))

    @property
    def producer(self) -> None:
        """No broker is asked for."""


def test_each_task_is_sent_at_the_start_and_then_at_its_own_interval() -> None:
    """The tick says how long to wait, and a beat that waits so long sends everything when it is due, and nothing else."""
    beat = Noting([100.0])
    while beat.now[0] < 105.0:
        beat.now[0] += beat.tick()
    often = [(100.0 + number, "sweep") for number in range(5)]
    assert sorted(beat.sent) == sorted([*often, (100.0, "tidy"), (102.5, "tidy")])


def test_a_beat_that_stood_still_sends_once_what_was_due_often() -> None:
    """A frozen machine is not answered with a burst of sweeps."""
    beat = Noting([0.0])
    beat.tick()
    beat.sent.clear()
    beat.now[0] = 60.0
    assert beat.tick() == 1.0
    assert sorted(beat.sent) == [(60.0, "sweep"), (60.0, "tidy")]


def test_beat_and_flower_load_nothing_of_what_tasks_work_with() -> None:
    """Their application has the settings of the workers', and neither tasks nor libraries of stores, logs and providers."""
    program = (
        "import sys; from tasks.taskless_app import app;"
        "print(app.conf.beat_scheduler, [each for each in app.tasks if '.' not in each],"
        "[each for each in sys.modules if each in ('tasks.worker', 'storage', 'aiohttp', 'cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, timeout=60, text=True)
    assert done.stdout.strip() == "tasks.beat:IntervalScheduler [] []"
