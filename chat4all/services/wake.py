"""Wakes workers by Celery messages: the one sender, for every process that wakes others."""

import time
from collections.abc import Iterable, Sequence

from celery import Celery
from kombu.exceptions import OperationalError

from chat4all.model.deliveries import Lane
from chat4all.model.signals import Signal
from chat4all.ports import MessageStore, Waker
from chat4all.ports.waker import CONVERSIONS, CONVERT, FILES, queue_of
from chat4all.settings import Settings
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

# Who answers a request waits no longer than this for the broker: the sweeps make up for it.
TIMEOUT_S = 1.0
# What a signal is worth is gone by then. While the broker is away, the next one is not tried before.
SIGNAL_S = 10.0
BROKEN = (OperationalError, OSError)


class CeleryWaker:
    """Sends wake-ups through a Celery application. It need not know the tasks."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._no_signals_before = 0.0

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
            self._app.send_task(task, args=(file_id,), queue=CONVERSIONS if task == CONVERT else FILES)
        except BROKEN as error:
            metrics.BROKER_FAILURES.add()
            log.warning("poke_failed", task=task, file_id=file_id, error=type(error).__name__)

    def signal(self, signals: Iterable[Signal]) -> None:
        """A message each, which no broker writes down. It holds an address: what Flower shows of it does not."""
        for each in signals:
            if time.monotonic() < self._no_signals_before:
                return
            args = (each.channel, each.kind, each.address, each.about, *([each.account] if each.account else []))
            options = {"queue": queue_of(each.channel), "expires": SIGNAL_S, "delivery_mode": 1}
            try:
                self._app.send_task("signal", args=args, argsrepr=f"({each.channel}, {each.kind})", **options)
            except BROKEN as error:
                self._no_signals_before = time.monotonic() + SIGNAL_S
                metrics.BROKER_FAILURES.add()
                log.warning("signal_failed", channel=each.channel, kind=each.kind, error=type(error).__name__)


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
