"""The log and the search index as one workspace sees them: what it appends says whose it is, what it finds is its own."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from chat4all.model.event_naming import HEADERS, stored_event
from chat4all.model.events import FORWARDED, PASSING, kind_of
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.messages import Message
from chat4all.model.records import EVENTS, INCOMING, SIGNALS, NewRecord, Position, Status
from chat4all.model.search_terms import Term
from chat4all.model.workspaces import stored
from chat4all.ports import EventLog, Hits, Search, SearchIndex
from chat4all.services.workspaces.naming import Naming

_encode = msgspec.json.Encoder().encode
_message = msgspec.json.Decoder(Message).decode
_status: Callable[[bytes], Status] = msgspec.json.Decoder(Status).decode


class ScopedLog:
    """An EventLog. Only what is appended differs, and only for other workspaces than `default`."""

    def __init__(self, log: EventLog, workspace: str) -> None:
        self._log, self._naming = log, Naming(workspace)

    def __getattr__(self, name: str) -> Any:
        """What says nothing of anybody is the log's own."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._log, name)

    def append(self, records: Sequence[NewRecord], timeout_s: float) -> list[int]:
        """As `EventLog` says it."""
        return self._log.append([self._stored(each) for each in records], timeout_s)

    def _stored(self, record: NewRecord) -> NewRecord:
        if record.topic == INCOMING:
            message = self._naming.inward(_message(record.value))
            return replace(record, key=message.conversation_id, value=_encode(message))
        if record.topic == EVENTS or kind_of(record) in PASSING:
            return self._event(record)
        if record.topic == SIGNALS:
            # Somebody's wish, which the key names.
            return replace(record, key=stored(self._naming.workspace, record.key))
        return self._reported(record)

    def _reported(self, record: NewRecord) -> NewRecord:
        """A receipt goes by what the provider calls its message; whose delivery it may name says its reference."""
        workspace, status = self._naming.workspace, _status(record.value)
        if isinstance(status, Position):
            return replace(record, key=stored(workspace, record.key), value=_encode(self._naming.inward(status)))
        if not status.reference:
            return record
        return replace(record, value=_encode(replace(status, reference=stored(workspace, status.reference))))

    def _event(self, record: NewRecord) -> NewRecord:
        if kind_of(record) == FORWARDED:
            return record
        workspace = self._naming.workspace
        own = {name: stored(workspace, text) for name, text in record.headers.items() if name in HEADERS and text}
        key = stored(workspace, record.key) if record.key else ""
        return replace(record, key=key, value=stored_event(record.value, workspace), headers={**record.headers, **own})


def scoped_log(log: EventLog, workspace: str) -> EventLog:
    """The log as this workspace sees it."""
    return log if workspace == DEFAULT_WORKSPACE else cast("EventLog", ScopedLog(log, workspace))


class ScopedIndex:
    """A SearchIndex that finds what is the workspace's."""

    def __init__(self, index: SearchIndex, workspace: str) -> None:
        self._index, self._naming = index, Naming(workspace)

    def __getattr__(self, name: str) -> Any:
        """What says nothing of anybody is the index's own."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._index, name)

    def find(self, search: Search, limit: int, limit_s: float) -> Hits:
        """As `SearchIndex` says it."""
        if search.conversations is not None:
            search = replace(search, conversations=[self._naming.inward(each) for each in search.conversations])
        found: list[Any] = []
        hits = self._index.find(search, limit, limit_s)
        while True:
            found += [
                replace(each, conversation_id=self._naming.outward(each.conversation_id))
                for each in hits.found
                if self._naming.is_own(each.conversation_id)
            ]
            if len(found) >= limit or len(hits.found) < limit or hits.is_cut:
                return Hits(found[:limit], hits.is_cut)
            hits = self._index.find(replace(search, before=hits.found[-1].cursor), limit, limit_s)

    def find_people(self, terms: Sequence[Term], after: int, limit: int) -> list[tuple[int, str]]:
        """As `SearchIndex` says it."""
        found: list[tuple[int, str]] = []
        while len(found) < limit:
            rows = self._index.find_people(terms, after, limit)
            found += [(cursor, self._naming.outward(name)) for cursor, name in rows if self._naming.is_own(name)]
            if len(rows) < limit:
                break
            after = rows[-1][0]
        return found[:limit]


def scoped_index(index: SearchIndex, workspace: str) -> SearchIndex:
    """The index as this workspace sees it."""
    return cast("SearchIndex", ScopedIndex(index, workspace))
