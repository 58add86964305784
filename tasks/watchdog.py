"""Ends a worker that is connected and takes no task while messages wait in its queues; its supervisor starts it again.

While the broker cannot be asked, nothing is concluded.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from celery import Celery, signals

from chat4all.model.liveness import Clock, Observed
from chat4all.telemetry import logs

log = logs.logger(__name__)

LOOK_EVERY_S = 3.0
DEAF_AFTER_S = 15.0
BROKER_TIMEOUT_S = 3.0
# The exit status: EX_SOFTWARE of sysexits.h.
DEAF = 70


class Hearing:
    """Whether this process takes tasks: its sign of life while work waits is how many it has taken."""

    def __init__(self, deaf_after_s: float, clock: Clock = time.monotonic) -> None:
        self._deaf_after_s = deaf_after_s
        self._taken = 0
        self._observed: Observed[int | None] = Observed(clock)

    def heard(self) -> None:
        """A task was taken."""
        self._taken += 1

    def looked(self, waiting: int) -> bool:
        """So many messages wait in our queues; whether they have done so for too long without one being taken."""
        self._observed.look(self._taken if waiting else None)
        return bool(waiting) and self._observed.unchanged_s >= self._deaf_after_s


def waiting_in(app: Celery, queues: Sequence[str]) -> int:
    """How many messages wait in these queues, asked over a connection of its own. Queues that do not exist hold none."""
    with app.connection_for_write(connect_timeout=BROKER_TIMEOUT_S) as connection:
        connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
        total, channel = 0, connection.channel()
        for queue in queues:
            # RabbitMQ closes the one on which it was asked for a queue that is not there.
            if not getattr(channel, "is_open", True):
                channel = connection.channel()
            with suppress(*connection.channel_errors):
                total += int(channel.queue_declare(queue=queue, passive=True).message_count)
        return total


def watch(hearing: Hearing, count: Callable[[], int], end: Callable[[int], None]) -> None:
    """Look every few seconds, for ever; end the process when it has gone deaf."""
    while True:
        time.sleep(LOOK_EVERY_S)
        try:
            waiting = count()
        except Exception as error:  # noqa: BLE001 - whatever keeps us from asking, nothing follows from it
            log.info("broker_not_asked", error=repr(error))
            continue
        if hearing.looked(waiting):
            log.error("worker_deaf", waiting=waiting)
            end(DEAF)
            return


def begin(app: Celery) -> None:
    """Watch this worker from now on."""
    hearing = Hearing(DEAF_AFTER_S)
    signals.task_prerun.connect(lambda **_: hearing.heard(), weak=False)
    queues = list(app.amqp.queues.consume_from)
    log.info("worker_ready", queues=queues)
    look = (hearing, lambda: waiting_in(app, queues), os._exit)
    threading.Thread(target=watch, args=look, name="watchdog", daemon=True).start()
