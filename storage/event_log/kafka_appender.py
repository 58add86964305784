"""Appending to Kafka: one idempotent producer per process, shared by all threads, each of which waits for its own records."""

import os
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from chat4all.model.failures import Failure, Permanent, Temporary, Unknown
from chat4all.model.records import NewRecord
from chat4all.telemetry.logs import logger
from storage.event_log.kafka_cluster import RECORD_BYTES, Cluster, Complaints, error_of, failure, write_failure

LINGER_MS = 2
POLL_S = 0.25
QUEUE_KIB = 64 << 10


def end_process(error: KafkaError) -> None:
    """What a fatal error asks for: this producer can write nothing any more, and the supervisor starts the process anew.

    At once, without cleaning up: to be killed at any moment is what every process is made for.
    """
    logger("event_log").critical("producer_is_dead", error=error.name())
    os._exit(70)


class Appender:
    """The producer and the thread that hears its answers. `write_s`: longest time until a record is written or given up."""

    def __init__(self, cluster: Cluster, write_s: float, end: Callable[[KafkaError], None] = end_process) -> None:
        self._cluster = cluster
        self._write_s = write_s
        self._end = end
        self._closed = Event()
        settings = cluster.client(
            enable_idempotence=True,
            acks="all",
            linger_ms=LINGER_MS,
            # Nothing comes into the log long after its sender was told that the outcome is unknown.
            delivery_timeout_ms=int(write_s * 1000),
            request_timeout_ms=int(write_s * 1000),
            retry_backoff_ms=50,
            retry_backoff_max_ms=500,
            message_max_bytes=RECORD_BYTES,
            queue_buffering_max_kbytes=QUEUE_KIB,
        )
        self._producer = Producer({**settings, "error_cb": Complaints(self._end)})
        self._hearing = Thread(target=self._hear, name="kafka-answers", daemon=True)
        self._hearing.start()

    def append(self, records: Sequence[NewRecord], timeout_s: float) -> list[int]:
        """As EventLog.append, for topics and partitions that exist."""
        if self._closed.is_set():
            raise Temporary("log_closed")
        waiting = _Waiting(len(records), self._end)
        for number, each in enumerate(records):
            try:
                self._hand_over(each, waiting.taker(number))
            except Failure as refusal:
                if number == 0:
                    raise
                raise Unknown("log_timeout", f"{number} of {len(records)} records were taken; {refusal}") from refusal
        return waiting.offsets_within(timeout_s) if records else []

    def close(self) -> None:
        """Write what was handed over, or give it up in time. Safe to call twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        # Its last callbacks come from here; they must not come from two threads.
        self._hearing.join()
        self._producer.flush(self._write_s + 2)

    def _hand_over(self, record: NewRecord, taker: "Taker") -> None:
        name = self._cluster.topic(record.topic)
        headers: dict[str, str | bytes | None] = {**record.headers}
        try:
            self._producer.produce(name, record.value, record.key, record.partition, taker, headers=headers)
        except BufferError:
            raise Temporary("log_full", f"{record.topic}: {QUEUE_KIB >> 10} MiB wait to be written") from None
        except KafkaException as error:
            raise failure(error_of(error), record.topic) from error

    def _hear(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(POLL_S)


Taker = Callable[[KafkaError | None, Message], None]


class _Waiting:
    """The records of one call, until all are answered. Answers come from one thread, in any order."""

    def __init__(self, size: int, end: Callable[[KafkaError], None]) -> None:
        self._offsets = [-1] * size
        self._errors: list[KafkaError] = []
        self._missing = size
        self._end = end
        # A bare lock: an Event costs five times as much, once for every request.
        self._done = Lock()
        self._done.acquire()

    def taker(self, number: int) -> Taker:
        """The callback for the record at this place."""

        def take(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._offsets[number] = message.offset() or 0
            else:
                self._errors.append(error)
                if error.fatal():
                    self._end(error)
            self._missing -= 1
            if not self._missing:
                self._done.release()

        return take

    def offsets_within(self, timeout_s: float) -> list[int]:
        """The offsets, once all are known. Unknown, or Temporary when no record was written."""
        if not self._done.acquire(timeout=max(0.0, timeout_s)):
            raise Unknown("log_timeout", "not acknowledged in time")
        if not self._errors:
            return self._offsets
        failures = [write_failure(error, "append") for error in self._errors]
        certain = all(isinstance(each, Temporary | Permanent) for each in failures)
        if certain and len(failures) == len(self._offsets):
            raise failures[0]
        raise Unknown("log_timeout", str(failures[0]))
