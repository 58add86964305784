"""A process of its own for the event log's suite. Writes lines to standard output: one for each thing that is certain.

append TOPIC PARTITION NAME COUNT: appends NAME-0, NAME-1, …, a few at a time; a line for each one acknowledged.
create TOPIC PARTITIONS: writes `ready`, waits for a line, creates; a line with the topic's identity.
consume TOPIC GROUP: polls for ever; `assigned P`, `revoked P`, `record P OFFSET`.
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from chat4all.model.records import NewRecord
from chat4all.ports import EventLog
from chat4all.settings import load
from chat4all.telemetry import logs
from storage.open import open_log

AT_ONCE = 5


def say(*words: object) -> None:
    """Write a line that is out when this returns."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def append(log: EventLog, topic: str, partition: str, name: str, count: str) -> None:
    """Append this many records."""
    for first in range(0, int(count), AT_ONCE):
        names = [f"{name}-{number}" for number in range(first, first + AT_ONCE)]
        log.append([NewRecord(topic, int(partition), name, each.encode()) for each in names], 10.0)
        for each in names:
            say(each)


def create(log: EventLog, topic: str, partitions: str) -> None:
    """Create a topic when told."""
    say("ready")
    sys.stdin.readline()
    log.create({topic: int(partitions)})
    say(log.topic(topic).identity)


def consume(log: EventLog, topic: str, group: str) -> None:
    """Be a member of a group until killed."""

    def assigned(partitions: Sequence[int]) -> Mapping[int, int]:
        for each in partitions:
            say("assigned", each)
        return dict.fromkeys(partitions, 0)

    def revoked(partitions: Sequence[int]) -> None:
        for each in partitions:
            say("revoked", each)

    consumer = log.consume(topic, group, assigned, revoked)
    while True:
        for each in consumer.poll(100, 0.2):
            say("record", each.partition, each.offset)


WORK: dict[str, Callable[..., None]] = {"append": append, "create": create, "consume": consume}

if __name__ == "__main__":
    logs.configure("log_worker")
    opened = open_log(load())
    WORK[sys.argv[1]](opened, *sys.argv[2:])
    opened.close()
