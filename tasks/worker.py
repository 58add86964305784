"""What a worker process has, made once and passed on; and its Celery tasks, each of which is one of its methods.

But for the stages, a task only wakes a loop or a thread of the process and returns: the work takes longer than a task may.
"""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

from celery import Celery

from chat4all.model.deliveries import Lane
from chat4all.model.records import BatchRef
from chat4all.model.scheduled_messages import SCHEDULED
from chat4all.model.signals import Signal
from chat4all.ports import WEBHOOKS
from chat4all.ports.waker import CONVERT, queue_of
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.seal import Seal
from chat4all.services.wake import CeleryWaker
from chat4all.services.webhooks.signing import Signer
from chat4all.settings import load
from tasks import pipeline
from tasks.account_care import AccountCare
from tasks.account_events import AccountEvents
from tasks.broadcasts import BroadcastRunner
from tasks.deferred_records import DeferredRunner
from tasks.files.file_tasks import FileSweeper, FileWorker
from tasks.follow_ups import LateReleaser, LegReleaser
from tasks.lanes.runner import LaneRunner
from tasks.outcomes.late_failures import RESEND
from tasks.outcomes.legs import LEG
from tasks.reminders import Reminders
from tasks.resources import Parts, open_parts
from tasks.scheduled_messages import ScheduledReleaser
from tasks.stages.batches import Batches
from tasks.stages.stage import Run, Stage
from tasks.stages.tries import Tries
from tasks.sweep import Sweeper
from tasks.templates import TemplateReader
from tasks.tidying import Tidier
from tasks.unclaimed import Claims
from tasks.waiting_updates import WaitingUpdates
from tasks.webhooks.runner import WebhookRunner

T = TypeVar("T")


class Once(Generic[T]):
    """Something that is made by the first who asks for it, in whatever thread; where that failed, by the next one."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = Lock()
        self.made: T | None = None

    def get(self) -> T:
        """It. Raises what making it raises."""
        with self._lock:
            if self.made is None:
                self.made = self._make()
            return self.made


class Worker:
    """One worker process, on its resources."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._batches, self._tries = Batches(parts.log), Tries()
        # One for all: it is watched once.
        live = self._live = LiveChannels(parts.settings, parts.store)
        self._lanes = Once(lambda: _begun(LaneRunner(parts, live=live)))
        # Opened when an endpoint is there: the deployment may have no key to seal with before.
        self._webhooks = Once(lambda: _begun(WebhookRunner(parts, Signer(Seal(parts.settings)).headers, live=live)))
        self._files, self._file_sweeper = FileWorker(parts, live=live), FileSweeper()
        self._sweeper, self._reminders, self._tidier = Sweeper(), Reminders(), Tidier(parts)
        # Each looks by itself whether it has something to do.
        self._sweeps = (
            WaitingUpdates(parts, live),
            Claims(parts, live),
            AccountCare(parts, live),
            AccountEvents(parts),
            BroadcastRunner(parts, live),
            TemplateReader(parts, live),
            DeferredRunner(
                parts, {LEG: LegReleaser(parts), RESEND: LateReleaser(parts), SCHEDULED: ScheduledReleaser(parts, live)}
            ),
        )

    def run(self, stage: Stage, ref: BatchRef, again: bool) -> bool:
        """Run a stage over a batch; whether a record was set aside. Raises what an outage raises."""
        execution = Run(stage, self._parts, self._batches, self._tries, ref)
        execution.go(again)
        return execution.buried > 0

    def deliver(self, lane: str) -> None:
        """Look at a lane ("channel:partition"). The runner of its kind sends, never the task."""
        channel, _, partition = lane.partition(":")
        runner: LaneRunner | WebhookRunner = self._webhooks.get() if channel == WEBHOOKS else self._lanes.get()
        runner.wake(Lane(channel, int(partition)))

    def signal(self, signal: Signal) -> None:
        """Show something in passing."""
        self._lanes.get().signal(signal)

    def look_at_lanes(self, queues: set[str]) -> None:
        """A worker that starts looks at the lanes of its queues at once: one that died may have left them."""
        for lane in self._parts.store.lanes():
            if queue_of(lane.channel) in queues and lane.channel != WEBHOOKS:
                self._lanes.get().wake(lane)

    def release_lanes(self) -> None:
        """A worker that is told to stop releases its lanes, so that others go on at once."""
        for runner in (self._lanes.made, self._webhooks.made):
            if runner:
                runner.stop()

    def sweep(self) -> None:
        """Look at every lane, at what is due in conversations, at updates and records that wait, and at broadcasts."""
        self._sweeper.sweep(self._parts)
        self._reminders.sweep(self._parts)
        for each in self._sweeps:
            each.sweep()

    def tidy(self) -> None:
        """Forget what has had its time."""
        self._tidier.wake()

    def work_on_file(self, task: str, file_id: str) -> None:
        """Check an upload that its owner called complete, fetch a file that a provider brought, or convert one."""
        self._files.wake(task, file_id)

    def sweep_files(self) -> None:
        """Look at the files that are due."""
        self._file_sweeper.sweep(self._parts)

    def close(self) -> None:
        """Let go of the resources, when the tasks have ended."""
        self._live.close()
        self._parts.close()


def open_worker(app: Celery) -> Worker:
    """A worker on what the settings say, waking others through this application. Raises as `open_parts`."""
    return Worker(open_parts(load(), CeleryWaker(app)))


def declare(app: Celery, worker: Once[Worker]) -> None:
    """Give an application all tasks. Their names and arguments are what other processes send: they stay."""
    pipeline.declare(app, lambda stage, ref, again: worker.get().run(stage, ref, again))
    task = partial(app.task, typing=False, shared=False)

    @task(name="deliver")
    def deliver(lane: str) -> None:
        worker.get().deliver(lane)

    # Typing would hide the work in Flower; and what a killed worker did not show is too late.
    @task(name="signal", send_events=False, acks_late=False)
    def signal(channel: str, kind: str, address: str, about: str, account: str = "") -> None:
        worker.get().signal(Signal(channel, kind, address, about, account))

    @task(name="verify_file")
    def verify_file(file_id: str) -> None:
        worker.get().work_on_file("verify_file", file_id)

    @task(name="fetch_media")
    def fetch_media(file_id: str) -> None:
        worker.get().work_on_file("fetch_media", file_id)

    @task(name=CONVERT)
    def convert_file(file_id: str) -> None:
        worker.get().work_on_file(CONVERT, file_id)

    @task(name="tidy")
    def tidy() -> None:
        worker.get().tidy()

    # Nothing for Flower: a line a second would hide what it is there for.
    @task(name="sweep", send_events=False)
    def sweep() -> None:
        worker.get().sweep()

    @task(name="sweep_files", send_events=False)
    def sweep_files() -> None:
        worker.get().sweep_files()


Runner = TypeVar("Runner", LaneRunner, WebhookRunner)


def _begun(runner: Runner) -> Runner:
    runner.start()
    return runner
