"""Wakes workers by Celery messages: the one sender, for every process that wakes others."""

from collections.abc import Iterable, Sequence

from celery import Celery
from kombu.exceptions import OperationalError

from chat4all.model.deliveries import Lane
from chat4all.ports import MessageStore, Waker
from chat4all.ports.waker import FILES, queue_of
from chat4all.settings import Settings
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

# Who answers a request waits no longer than this for the broker: the sweeps make up for it.
TIMEOUT_S = 1.0
# How long a button waits for its answer, about.
PRESS_S = 60.0
BROKEN = (OperationalError, OSError)


class CeleryWaker:
    """Sends wake-ups through a Celery application. It need not know the tasks."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def wake_lanes(self, lanes: Iterable[Lane]) -> None:
        """A message for each lane. After one that the broker did not take no other is tried."""
        for lane in lanes:
            try:
                self._app.send_task("deliver", args=(str(lane),), queue=queue_of(lane.channel), argsrepr=f"({lane})")
                metrics.WAKES.of(lane.channel).add()
            except BROKEN as error:
                metrics.BROKER_FAILURES.add()
                log.warning("wake_failed", lane=str(lane), error=repr(error))
                return

    def wake_file(self, task: str, file_id: str) -> None:
        """One message."""
        try:
            self._app.send_task(task, args=(file_id,), queue=FILES)
        except BROKEN as error:
            metrics.BROKER_FAILURES.add()
            log.warning("poke_failed", task=task, file_id=file_id, error=type(error).__name__)

    def wake_press(self, channel: str, press_id: str) -> None:
        """One message, which is of no use to anybody after a minute."""
        try:
            self._app.send_task("answer_press", args=(channel, press_id), queue=queue_of(channel), expires=PRESS_S)
        except BROKEN as error:
            metrics.BROKER_FAILURES.add()
            log.warning("press_unanswered", channel=channel, reason=type(error).__name__)


def wake_free(waker: Waker, store: MessageStore, lanes: Sequence[Lane]) -> None:
    """Wake the lanes that nobody holds. Call it after raising `fanned`: a holder looks at that once more before it goes."""
    if lanes:
        states = store.lanes(lanes)
        waker.wake_lanes(lane for lane in lanes if not states[lane].lease.holder)


def sender(settings: Settings) -> Celery:
    """A Celery application for a process that has no tasks of its own: it sends, and gives up soon. Contacts nobody."""
    app = Celery("chat4all-sender", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=TIMEOUT_S,
        broker_use_ssl=settings.broker_tls,
        broker_transport_options={"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        if settings.broker_url.startswith("redis")
        else {},
    )
    return app
