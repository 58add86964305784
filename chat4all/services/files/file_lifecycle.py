"""The states of a file, from its first byte to its last reference. Used by the gateway and by the workers; ports are passed in.

Every change is a compare-and-set on the file's row, so two processes that do the same at once do it once. The order of the
steps makes it safe to stop after any of them: an object is registered before a file is marked as available, and removed from
the store's rows before its bytes are deleted.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent
from chat4all.model.files import FileStatus, StoredFile, message_holder, message_of, message_prefix, part_sizes, still_missing
from chat4all.model.retention import before
from chat4all.model.scheduled_messages import record_id_of
from chat4all.model.workspaces import stored as stored_id
from chat4all.model.workspaces import workspace_of
from chat4all.ports import MessageStore, ObjectStore
from chat4all.settings import Settings
from chat4all.telemetry import metrics

HOUR_MS = 3_600_000
# When the sweep looks whether a worker is at it, and whether messages still refer to a file.
VERIFY_DUE_MS = 60_000
# When the sweep tells readers, where the process that changed the file did not.
TELL_DUE_MS = 5_000
SENT_DUE_MS = 7 * 24 * HOUR_MS
# A message that the log took is stored long before that; the log itself forgets after a week.
UNSTORED_MS = 8 * 24 * HOUR_MS
HOLDERS_AT_ONCE = 100
# For how long it is said of a file that it has expired. Providers do not repeat what brought it any more.
GONE_MS = 90 * 24 * HOUR_MS


class FileLifecycle:
    """One process's hand on files. Every method may be called from many threads."""

    def __init__(
        self, store: MessageStore, objects: ObjectStore, settings: Settings, clock: Callable[[], int] = now_ms
    ) -> None:
        """`clock`: ms UTC."""
        self._now = clock
        self._store = store
        self._objects = objects
        self._settings = settings

    def _ended(self, file: StoredFile, status: FileStatus, due_at: int, **fields: Any) -> StoredFile | None:
        """The row at an end of its way, due then. Readers are told first, unless it is of no conversation."""
        if not file.conversation_id:
            return self.changed(file, status=status, due_at=due_at, **fields)
        # Older code tells nobody: it must wait as long with what follows.
        fields |= {"due_at": self._now() + TELL_DUE_MS, "expires_at": due_at, "untold": True}
        return self.changed(file, status=status, **fields)

    def announced(self, file: StoredFile) -> StoredFile | None:
        """Readers know of it as it is."""
        expires_at = 0 if file.status is FileStatus.READY else file.expires_at
        return self.changed(file, untold=False, due_at=file.expires_at, expires_at=expires_at)

    @property
    def expire_ms(self) -> int:
        """How long an upload may take, and a file may wait to be sent."""
        return int(self._settings.file_expire_h * HOUR_MS)

    def changed(self, file: StoredFile, **fields: Any) -> StoredFile | None:
        """The row with these fields, if it is still as given; None when somebody else changed it."""
        wanted = replace(file, version=file.version + 1, **fields)
        return wanted if self._store.swap_file(wanted) else None

    def begin(
        self,
        conversation_id: str,
        owner: str,
        filename: str,
        mime_type: str,
        size: int,
        in_parts: bool,
        file_id: str = "",
        members_version: int = 0,
    ) -> StoredFile:
        """A new file, waiting for its bytes. The row comes first: whatever is left of an upload is found through it."""
        now = self._now()
        file = StoredFile(
            file_id=file_id or str(uuid4()),
            conversation_id=conversation_id,
            owner=owner,
            filename=filename,
            mime_type=mime_type,
            size=size,
            part_size=self._settings.file_part_size,
            created_at=now,
            due_at=now + self.expire_ms,
            expires_at=now + self.expire_ms,
            key=str(uuid4()),
            members_version=members_version,
        )
        self._store.add_files([file])
        _count(file, "begun")
        if not in_parts:
            return file
        return self.changed(file, upload=self._objects.begin(file.own_key)) or file

    def missing(self, file: StoredFile) -> list[int]:
        """The numbers of the parts that are not there in their right size."""
        return still_missing(file, {each.number: each.size for each in self._objects.parts(file.own_key, file.upload)})

    def verify(self, file: StoredFile) -> StoredFile | None:
        """Say that all parts are there and `checksum` is theirs; from now on a worker is at it. None: not as given any more."""
        now = self._now()
        later = max(file.expires_at, now + self.expire_ms)
        fresh = {"due_at": now + VERIFY_DUE_MS, "expires_at": later, "reason": "", "tries": 0, "untold": False}
        return self.changed(file, status=FileStatus.VERIFYING, **fresh)

    def joined(self, file: StoredFile) -> None:
        """Make the object of the upload's parts. Permanent `parts_changed`, `no_upload`."""
        sizes = part_sizes(file.size, file.part_size)
        try:
            parts = self._objects.parts(file.own_key, file.upload)
        except Permanent:
            # Joined by an earlier run.
            if self._objects.size(file.own_key) == file.size:
                return
            raise
        self._objects.join(file.own_key, file.upload, [each for each in parts if each.number <= len(sizes)])

    def refused(self, file: StoredFile, reason: str) -> StoredFile | None:
        """What arrived is not what was promised: the parts are an upload again, some of which may be brought anew."""
        upload = file.upload
        if file.upload:
            try:
                upload = self._objects.reopen(file.own_key, part_sizes(file.size, file.part_size))
            except Permanent:
                upload = file.upload
        refused = self._ended(file, FileStatus.FAILED, file.expires_at, upload=upload, reason=reason)
        if refused:
            _count(file, "failed")
        return refused

    def finished(self, file: StoredFile, checksum: str, size: int) -> StoredFile | None:
        """These bytes are there, under the file's own key, and this is their checksum. Equal bytes are kept once.

        None when the row is not as given any more; whatever was registered for it is taken back then.
        """
        now = self._now()
        key = self._store.keep_object(checksum, file.own_key, file.holder, now)
        if file.message_id:
            holder = message_holder(file.file_id, file.conversation_id, file.message_id)
            self._store.hold_objects([(checksum, holder)], now)
        ended = {"size": size, "checksum": checksum, "object_key": key, "upload": "", "reason": "", "expires_at": 0}
        ready = self._ended(file, FileStatus.READY, now + self.expire_ms, **ended)
        if ready is None:
            self._give_up(file, checksum)
            return None
        _count(file, "ready", size)
        if key != file.own_key:
            self._objects.remove([file.own_key])
        return ready

    def _give_up(self, file: StoredFile, checksum: str) -> None:
        kept = self._store.files([file.file_id]).get(file.file_id)
        if kept is not None and kept.status is FileStatus.READY:
            # Another run of the same finished it.
            return
        self._store.drop_holders(checksum, [file.holder])
        if self._store.retire_object(checksum, file.own_key):
            self._objects.remove([file.own_key])

    def look(self, file: StoredFile) -> None:
        """What the sweep does with a file that is due: abandoned uploads go, and so does what no message refers to.

        That it is gone is known for a while longer; then its row goes too. What readers are to be told comes first.
        """
        if file.untold:
            return
        if file.status is FileStatus.EXPIRED:
            if file.due_at <= self._now():
                self._store.forget_file(file)
            return
        expiring: StoredFile | None = file
        if file.status is not FileStatus.EXPIRING:
            if file.expires_at > self._now():
                self.changed(file, due_at=file.expires_at)
                return
            if file.object_key and self._is_sent(file):
                self.changed(file, due_at=self._now() + SENT_DUE_MS)
                return
            expiring = self.changed(file, status=FileStatus.EXPIRING)
        if expiring is None:
            return
        # Once more: a message may have taken its reference before it could see the mark.
        if file.object_key and self._is_sent(file):
            self.changed(expiring, status=FileStatus.READY, due_at=self._now() + SENT_DUE_MS)
            return
        self._discard(expiring)
        _count(file, "expired")
        self._ended(expiring, FileStatus.EXPIRED, self._now() + GONE_MS)

    def _is_sent(self, file: StoredFile) -> bool:
        """Whether a message refers to the file. References of messages that were never stored, and that do not wait to be sent
        later, are dropped in time.

        So are those that a message may not keep any longer. A page at a time: one that counts is enough.
        """
        after = ""
        while holders := self._store.holders(file.checksum, message_prefix(file.file_id), HOLDERS_AT_ONCE, after):
            places = {holder: place for holder in holders if (place := message_of(holder, file.file_id))}
            stored = self._store.registered(list(places.values())) if places else {}
            limit, kept_until = self._now() - UNSTORED_MS, before(self._settings.retention.files, self._now())
            lost = [each for each, at in holders.items() if places.get(each) not in stored and at < limit]
            waiting = self._waiting([places[each] for each in lost if each in places])
            over = {*lost, *(each for each, at in holders.items() if at < kept_until)}
            old = [each for each in holders if each in over and places.get(each) not in waiting]
            if old:
                self._store.drop_holders(file.checksum, old)
            if len(old) < len(holders):
                return True
            after = max(holders)
        return False

    def _waiting(self, places: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these messages (conversation_id, message_id) those that are to be sent later."""
        names = {place: stored_id(workspace_of(place[0]), record_id_of(place[1])) for place in places}
        kept = self._store.deferred_records(list(names.values())) if names else {}
        return {place for place, name in names.items() if name in kept and kept[name].is_open}

    def copied(
        self,
        filename: str,
        mime_type: str,
        size: int,
        checksum: str,
        object_key: str,
        conversation_id: str,
        owner: str,
        members_version: int,
    ) -> StoredFile | None:
        """A new complete file of bytes that somebody holds; None: nobody does any more. The row comes first, as in `begin`."""
        now = self._now()
        file = StoredFile(
            str(uuid4()),
            conversation_id,
            owner,
            filename,
            mime_type,
            size,
            part_size=self._settings.file_part_size,
            created_at=now,
            status=FileStatus.READY,
            due_at=now + self.expire_ms,
            checksum=checksum,
            object_key=object_key,
            members_version=members_version,
        )
        self._store.add_files([file])
        if not self._store.hold_objects([(checksum, file.holder)], now)[0]:
            self.look(file)
            return None
        return file

    def let_go(self, checksum: str, object_key: str, holder: str) -> None:
        """This reference ends; the bytes go unless others refer to them. Repeating it does no harm."""
        self._store.drop_holders(checksum, [holder])
        if self._store.retire_object(checksum, object_key):
            self._objects.remove([object_key])

    def _discard(self, file: StoredFile) -> None:
        """The file's bytes, unless others refer to them. Repeating it does no harm."""
        self._objects.drop_uploads(file.own_key)
        if not file.object_key:
            self._objects.remove([file.own_key])
        else:
            self.let_go(file.checksum, file.object_key, file.holder)

    def release(self, file: StoredFile, places: Iterable[tuple[str, str]]) -> None:
        """Messages (conversation_id, message_id) do not refer to this file any more; its bytes go when nobody does."""
        self._store.drop_holders(file.checksum, [message_holder(file.file_id, *place) for place in places])
        self.look(file)


def _count(file: StoredFile, outcome: str, size: int = 0) -> None:
    source = "conversion" if file.form else "provider" if file.media else "client"
    metrics.UPLOADS.of(source, outcome).add()
    if size:
        metrics.UPLOAD_BYTES.of(source).add(size)
