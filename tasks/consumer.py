"""A worker's consumer: gathers what it tells Flower, and begins the next step of a chain in the process that ended the last.

Celery itself publishes each event alone, and sends each step over the broker.
"""

import time
from collections.abc import Mapping
from typing import Any

from celery import signals
from celery.app.amqp import task_message
from celery.worker.consumer import Consumer as CelerysConsumer
from msgspec import Struct

# One publish for each step of each task took a quarter of the pipeline worker at 300 messages/s.
TELL_EVERY_S = 0.5
# A connection that is made anew forgets what was to be called; then the next event asks again.
FORGOTTEN_S = 2 * TELL_EVERY_S


class Begun(Struct, frozen=True):
    """A task's message that never was at the broker: what Celery's strategies and requests read of one."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: tuple[Any, ...]
    delivery_info: dict[str, Any]
    # Nothing to decode.
    content_type: None = None
    content_encoding: None = None

    @property
    def payload(self) -> tuple[Any, ...]:
        """Arguments, those by name, and what comes after: as a message of Celery's second protocol has them."""
        return self.body


class Consumer(CelerysConsumer):  # type: ignore[misc]
    """A worker's consumer that gathers task events and begins next steps."""

    clock = staticmethod(time.monotonic)
    _asked = -FORGOTTEN_S

    def on_send_event_buffered(self) -> None:
        """Called for each event that was put into the buffer, from any thread of the pool."""
        hub: Any = self.hub
        now = self.clock()
        if hub and now - self._asked >= FORGOTTEN_S:
            self._asked = now
            hub.call_later(TELL_EVERY_S, self._tell)

    def _tell(self) -> None:
        self._asked = -FORGOTTEN_S
        self._flush_events()

    def begin(self, queue: str, message: task_message) -> bool:
        """Begin a task in this process, if it is the next step of the one that runs in this thread; whether it was begun.

        Over the broker a step is published, taken, noted as taken and acknowledged. A step that dies with the process is
        handed out again by the bridge, which believes the store's progress and nothing else.
        """
        if not self._is_next_step(message.headers) or queue not in self.app.amqp.queues.consume_from:
            return False
        name, place = message.headers["task"], {"exchange": "", "routing_key": queue}
        begun = Begun(message.headers, message.properties, message.body, place | {"redelivered": False})
        described = {"sender": name, "body": message.body, "headers": message.headers, **place}
        # Traces take their context along by these two.
        signals.before_task_publish.send(**described, declare=[], properties=message.properties, retry_policy={})
        try:
            self.strategies[name](begun, None, _settled, _settled, [])
        except RuntimeError:
            # The pool takes nothing more: the worker stops.
            return False
        finally:
            signals.after_task_publish.send(**described)
        return True

    def _is_next_step(self, headers: Mapping[str, Any]) -> bool:
        """The chain of the task that runs in this thread goes on with it."""
        task = self.app.current_worker_task
        if not task or not task.request.chain or task.request.id != headers["parent_id"]:
            return False
        return bool(task.request.chain[-1]["task"] == headers["task"])


def _settled(*_: Any) -> None:
    """There is nothing to acknowledge or refuse."""
