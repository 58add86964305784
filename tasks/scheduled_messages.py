"""Messages whose time has come: each is looked at as if it was said now, frozen and appended, or its sender is told why not.

What comes of one is decided once. The decision is written into its record by compare-and-set before anything follows from it:
who finds a decision, as another died over it, or was slow, does what it says. So a message is never sent and refused as well,
and what is appended again is the same record, once by its id.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms
from chat4all.model.content import Text
from chat4all.model.conversations import User
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.drafts import Accepted, Draft, Refused
from chat4all.model.events import Event
from chat4all.model.failures import Temporary
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.scheduled_messages import ScheduledMessage, decided, is_newer, read_scheduled
from chat4all.model.workspaces import REMOVED, stored, workspace_of
from chat4all.ports import Channel
from chat4all.services.acceptance.acceptance import Frozen
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.telemetry import logs
from tasks.deferred_records import Release, Releaser
from tasks.outcomes.events import learned, rejection, tell
from tasks.resources import Parts

log = logs.logger(__name__)

SENDER_GONE, WORKSPACE_REMOVED, UNREADABLE = "sender_disabled", "workspace_removed", "unreadable"
# In place of a seq, in what is noted of a refusal.
NO_SEQ = "scheduled"

K = TypeVar("K")


class Due(Struct, frozen=True):
    """A message whose time has come, and where it waited."""

    record: DeferredRecord
    said: ScheduledMessage

    @property
    def workspace(self) -> str:
        """Whose it is."""
        return workspace_of(self.record.record_id)


class ScheduledReleaser(Releaser):
    """Sends what is due. `channels`: those that are connected."""

    def __init__(self, parts: Parts, channels: Mapping[str, Channel]) -> None:
        self._parts, self._store = parts, parts.store
        self._acceptors = Acceptors(parts.store, parts.log, parts.settings, channels)

    def release(self, records: Sequence[DeferredRecord]) -> list[Release]:
        """Decide what is not decided yet, then do what was decided."""
        known = {each.record_id: Due(each, _read(each)) for each in records if not is_newer(each)}
        settled = {name: each for name, each in known.items() if each.said.is_decided}
        again = self._decided([each for each in known.values() if not each.said.is_decided])
        settled |= {each.record.record_id: each for each in again}
        self._append([each for each in settled.values() if each.said.message])
        self._refuse([each for each in settled.values() if each.said.refused])
        return [_came(settled.get(each.record_id)) for each in records]

    def _decided(self, due: Sequence[Due]) -> list[Due]:
        """These with what was decided. Those that somebody else has taken meanwhile are not among them."""
        decisions: list[tuple[Due, ScheduledMessage]] = []
        for (workspace, caller), some in _grouped([((each.workspace, each.said.caller), each) for each in due]).items():
            decisions += zip(some, self._answers(workspace, caller, some), strict=True)
        now = now_ms()
        made = [Due(decided(each.record, said, now), said) for each, said in decisions]
        kept = self._store.put_deferred_records([each.record for each in made])
        return [each for each, is_kept in zip(made, kept, strict=True) if is_kept]

    def _answers(self, workspace: str, caller: Caller, due: Sequence[Due]) -> list[ScheduledMessage]:
        """What becomes of these. The rights of whoever asked are those that they have now."""
        if self._is_removed(workspace):
            return [replace(each.said, refused=WORKSPACE_REMOVED) for each in due]
        store = self._acceptors.store(workspace)
        users = store.users(list({caller.user_id, *(each.said.sender for each in due)}))
        now_allowed = _now_allowed(caller, users.get(caller.user_id))
        there = [each for each in due if now_allowed and not _is_gone(users.get(each.said.sender))]
        drafts: list[tuple[Draft, str]] = [(each.said.draft, each.said.digest) for each in there]
        answers = self._acceptors.of(workspace).freeze(now_allowed, drafts) if now_allowed and there else []
        said = {id(each): answer for each, answer in zip(there, answers, strict=True)}
        return [_with(each.said, said.get(id(each), SENDER_GONE)) for each in due]

    def _is_removed(self, workspace: str) -> bool:
        if workspace == DEFAULT_WORKSPACE:
            return False
        found = self._store.workspace(workspace)
        return found is None or found.state == REMOVED

    def _append(self, due: Sequence[Due]) -> None:
        for workspace, some in _grouped([(each.workspace, each) for each in due]).items():
            frozen = [Frozen(each.said.message, each.said.founds) for each in some if each.said.message]
            self._acceptors.of(workspace).append_frozen(frozen)

    def _refuse(self, due: Sequence[Due]) -> None:
        """Tell the senders. Their streams find it again when they come back."""
        now = now_ms()
        events = [self._rejection(each) for each in due]
        self._store.note_changes(learned(events, now))
        tell(self._store, self._parts.log, events, now)
        for each in due:
            log.info("scheduled_message_refused", message_id=each.said.message_id, reason=each.said.refused)

    def _rejection(self, due: Due) -> Event:
        said = due.said
        sender = stored(due.workspace, said.sender)
        subject = f"{said.message_id} {NO_SEQ} {said.refused} {sender}"
        return rejection(stored(due.workspace, said.conversation_id), subject, due.record.changed_at, self._parts.partitions)


def _read(record: DeferredRecord) -> ScheduledMessage:
    """What waits. What nobody can read any more is refused, and its sender told: the ids are plain."""
    try:
        return read_scheduled(record)
    except msgspec.ValidationError as error:
        log.error("scheduled_message_unreadable", record_id=record.record_id, error=str(error))
        names = [str(record.body.get(name, "")) for name in ("message_id", "conversation_id", "sender")]
        return ScheduledMessage(names[0], names[1], names[2], Caller(names[2]), Draft(Text("")), "", refused=UNREADABLE)


def _came(due: Due | None) -> Release:
    return Release(due.said.refused, due.record) if due else Release(is_open=True)


def _with(said: ScheduledMessage, answer: Frozen | Accepted | Refused | str) -> ScheduledMessage:
    match answer:
        case Frozen():
            conversation_id = answer.message.conversation_id
            return replace(said, message=answer.message, founds=answer.founds, conversation_id=conversation_id)
        case Refused():
            if answer.status == 503:
                raise Temporary(answer.code, answer.detail)
            return replace(said, refused=answer.code)
        case str():
            return replace(said, refused=answer)
    # It is stored already: somebody sent it under this id, with this body.
    return said


def _now_allowed(caller: Caller, user: User | None) -> Caller | None:
    if user is None or _is_gone(user):
        return None
    return replace(caller, kind=user.kind, scopes=frozenset(user.scopes))


def _is_gone(user: User | None) -> bool:
    return user is None or bool(user.disabled_at)


def _grouped(pairs: Sequence[tuple[K, Due]]) -> dict[K, list[Due]]:
    groups: dict[K, list[Due]] = defaultdict(list)
    for key, each in pairs:
        groups[key].append(each)
    return groups
