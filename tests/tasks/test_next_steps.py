"""The next step of a chain is begun in the worker that ended the last one, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from celery.contrib.testing.worker import start_worker
from celery.contrib.testing.worker import test_worker_started as worker_started

from ops.harness.waiting import wait_until
from tasks.celery_app import create_app

QUEUE = "pipeline"


class Steps:
    """An application on a broker in memory, with a task that tells each run; and what was published."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []
        self.begun: list[str] = []
        self.published: list[str] = []
        self.app = create_app()
        self.app.conf.update(broker_url="memory://", broker_transport_options={}, worker_consumer="tasks.consumer:Consumer")
        for name in ("first", "second", "other"):
            self.declare(name)

    def declare(self, name: str, sends: str = "") -> None:
        """A task of this name, which sends another one if that is named."""

        def run(said: str) -> str:
            self.runs.append((name, said))
            if sends:
                self.app.send_task(sends, args=(said,))
            return f"{said}, {name}"

        self.app.task(name=name, typing=False, shared=False)(run)

    def chain(self, *names: str, **options: Any) -> None:
        """Send them one after the other; `options` are for those after the first."""
        first, *rest = names
        chain = self.app.tasks[first].s("begun")
        for name in rest:
            chain |= self.app.tasks[name].s().set(**options)
        chain.apply_async()

    def ran(self, count: int) -> list[tuple[str, str]]:
        """The tasks that ran, once there are so many."""
        wait_until(f"{count} tasks ran", lambda: len(self.runs) >= count, 10)
        return self.runs


@contextmanager
def working(steps: Steps) -> Iterator[None]:
    """A worker of this application, as the signals set it up."""

    def begin(consumer: Any, **_: Any) -> None:
        def noted(queue: str, message: Any) -> bool:
            is_begun = bool(consumer.begin(queue, message))
            (steps.begun if is_begun else steps.published).append(message.headers["task"])
            return is_begun

        steps.app.amqp.begins = noted

    worker_started.connect(begin)
    try:
        with start_worker(steps.app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=10):
            yield
    finally:
        worker_started.disconnect(begin)


def test_only_the_first_step_goes_over_the_broker() -> None:
    """All steps run in order, each with what the last one gave; the broker saw the first."""
    steps = Steps()
    with working(steps):
        steps.chain("first", "second", "other")
        ran = steps.ran(3)
    assert ran == [("first", "begun"), ("second", "begun, first"), ("other", "begun, first, second")]
    assert (steps.begun, steps.published) == (["second", "other"], ["first"])


def test_a_step_for_another_queue_goes_over_the_broker() -> None:
    """This worker does not consume it: another one may."""
    steps = Steps()
    with working(steps):
        steps.chain("first", "second", queue="elsewhere")
        steps.ran(1)
        wait_until("it was sent", lambda: len(steps.published) == 2, 10)
    assert [name for name, *_ in steps.runs] == ["first"]


def test_what_listens_to_publishing_hears_of_a_step_that_is_begun() -> None:
    """Traces put their context into a message there: they would end at the first step."""
    steps, heard = Steps(), []

    def before(sender: str = "", headers: Any = None, **_: Any) -> None:
        heard.append(("before", sender))
        headers["context"] = "as the last step's"

    def after(sender: str = "", **_: Any) -> None:
        heard.append(("after", sender))

    def runs(task: Any = None, **_: Any) -> None:
        heard.append((task.request.get("context"), task.name))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    signals.task_prerun.connect(runs)
    try:
        with working(steps):
            steps.chain("first", "second")
            steps.ran(2)
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)
        signals.task_prerun.disconnect(runs)
    assert {each for each in heard if each[1] == "second"} == {
        ("before", "second"),
        ("after", "second"),
        ("as the last step's", "second"),
    }


def test_a_task_that_a_task_sends_is_no_next_step() -> None:
    """Only what the chain says comes next is begun: whatever else a task sends is for whoever is free."""
    steps = Steps()
    steps.declare("sends", "other")
    with working(steps):
        steps.chain("sends", "second")
        ran = steps.ran(3)
    assert sorted(name for name, _ in ran) == ["other", "second", "sends"]
    assert sorted(steps.published) == ["other", "sends"]


def test_a_pool_that_takes_nothing_more_leaves_the_step_to_the_broker() -> None:
    """A worker that stops sends the step, as Celery does."""
    steps = Steps()

    def full(*_: Any) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    def close(consumer: Any, **_: Any) -> None:
        consumer.strategies["second"] = full

    worker_started.connect(close)
    try:
        with working(steps):
            steps.chain("first", "second")
            wait_until("it was sent", lambda: steps.published == ["first", "second"], 10)
    finally:
        worker_started.disconnect(close)
