"""The settings, log, stores of a worker process. Opened after any fork, by whoever starts it."""

from msgspec import Struct

from chat4all.model.failures import Mismatch
from chat4all.model.records import EVENTS, TOPICS
from chat4all.ports import NOBODY, EventLog, MessageStore, ObjectStore, Waker
from chat4all.settings import Settings
from storage.open import open_log, open_objects, open_store


class Parts(Struct, frozen=True):
    """One process's open parts. `partitions` is the count of chat-events, which is that of chat-incoming.

    `waker`: how it wakes others. Operators' commands wake nobody: the sweeps find what they leave.
    """

    settings: Settings
    log: EventLog
    store: MessageStore
    partitions: int
    objects: ObjectStore
    waker: Waker = NOBODY

    def close(self) -> None:
        """Let go of all of them: what was begun is finished, and threads of libraries end."""
        self.log.close()
        self.store.close()
        self.objects.close()


def open_parts(settings: Settings, waker: Waker = NOBODY) -> Parts:
    """Open log and store and make sure that they belong together. Mismatch when they do not; Temporary when one is away."""
    log, store = open_log(settings), open_store(settings)
    store.migrate()
    log.create(dict.fromkeys(TOPICS, settings.partitions))
    for name in TOPICS:
        check_topic(log, store, name)
    return Parts(settings, log, store, log.topic(EVENTS).partitions, open_objects(settings), waker)


def check_topic(log: EventLog, store: MessageStore, name: str) -> None:
    """Refuse a topic that is not the one this store was filled from, or that lost what the store counts on."""
    topic = log.topic(name)
    kept = store.keep_topic(topic)
    if kept != topic:
        raise Mismatch("topic_changed", f"{name}: the store belongs to {kept}, the log has {topic}")
    ends = log.ends(name)
    for partition, progress in store.progress(name).items():
        first, following = ends[partition]
        if following <= progress.done:
            raise Mismatch("log_shorter", f"{name}:{partition} ends at {following - 1}, progress is {progress.done}")
        if first > progress.following:
            raise Mismatch("log_trimmed", f"{name}:{partition} begins at {first}, progress is {progress.done}")
