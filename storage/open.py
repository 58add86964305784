"""The table of adapters: scheme of a URL -> "module:Class". An adapter is imported only when its scheme is used.

Here, once for all of them, their calls are counted and timed (storage/timing.py).
"""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from chat4all.ports import EventLog, MessageStore, ObjectStore, SearchIndex
from chat4all.settings import Settings, SettingsError
from storage.timing import timed

EVENT_LOGS = {
    "sqlite": "storage.event_log.sqlite:SQLiteLog",
    "kafka": "storage.event_log.kafka:KafkaLog",
}
MESSAGE_STORES = {
    "sqlite": "storage.message_store.sqlite:SQLiteStore",
    "cassandra": "storage.message_store.cassandra:CassandraStore",
    "scylla": "storage.message_store.cassandra:CassandraStore",
}
OBJECT_STORES = {
    "folder": "storage.object_store.folder:FolderStore",
    "s3": "storage.object_store.s3:S3Store",
    "s3s": "storage.object_store.s3:S3Store",
}
SEARCH_INDEXES = {
    "sqlite": "storage.search_index.sqlite:SQLiteSearchIndex",
}


def open_log(settings: Settings) -> EventLog:
    """The event log of these settings, opened in this process."""
    adapter: EventLog = timed("log", EventLog, _load("CHAT4ALL_LOG", EVENT_LOGS, settings.log))(settings)
    return adapter


def open_store(settings: Settings) -> MessageStore:
    """The message store of these settings, opened in this process."""
    adapter: MessageStore = timed("store", MessageStore, _load("CHAT4ALL_STORE", MESSAGE_STORES, settings.store))(settings)
    return adapter


def open_objects(settings: Settings) -> ObjectStore:
    """The object store of these settings, opened in this process. Contacts nobody."""
    adapter: ObjectStore = timed("objects", ObjectStore, _load("CHAT4ALL_OBJECTS", OBJECT_STORES, settings.objects))(settings)
    return adapter


def open_search(settings: Settings) -> SearchIndex | None:
    """The search index of these settings, opened in this process; None: search is off."""
    if not settings.has_search:
        return None
    adapter: SearchIndex = timed("search", SearchIndex, _load("CHAT4ALL_SEARCH", SEARCH_INDEXES, settings.search))(settings)
    return adapter


def _load(variable: str, table: dict[str, str], url: str) -> Any:
    scheme = url.partition(":")[0]
    if scheme not in table:
        close = get_close_matches(scheme, table, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise SettingsError(f"{variable}: unknown scheme {scheme!r}; known: {', '.join(table)}.{hint}")
    module, _, attribute = table[scheme].partition(":")
    return getattr(import_module(module), attribute)
