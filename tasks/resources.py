"""The settings, log, stores of a worker process. Opened at first use, so never before a fork."""

from functools import cache

from msgspec import Struct

from chat4all.model.failures import Mismatch
from chat4all.model.records import EVENTS, TOPICS
from chat4all.ports import EventLog, MessageStore, ObjectStore
from chat4all.settings import Settings, load
from storage.open import open_log, open_objects, open_store


class Parts(Struct, frozen=True):
    """One process's open parts. `partitions` is the count of chat-events, which is that of chat-incoming."""

    settings: Settings
    log: EventLog
    store: MessageStore
    partitions: int
    objects: ObjectStore

    def close(self) -> None:
        """Let go of all of them: what was begun is finished, and threads of libraries end."""
        self.log.close()
        self.store.close()
        self.objects.close()


def open_parts(settings: Settings) -> Parts:
    """Open log and store and make sure that they belong together. Mismatch when they do not; Temporary when one is away."""
    log, store = open_log(settings), open_store(settings)
    store.migrate()
    log.create(dict.fromkeys(TOPICS, settings.partitions))
    for name in TOPICS:
        check_topic(log, store, name)
    return Parts(settings, log, store, log.topic(EVENTS).partitions, open_objects(settings))


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


@cache
def parts() -> Parts:
    """The parts of this process."""
    return open_parts(load())


def close() -> None:
    """Close the parts of this process, if it opened any."""
    if parts.cache_info().currsize:
        parts().close()
