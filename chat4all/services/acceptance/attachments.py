"""Files in messages: what is frozen of a file at acceptance, the references that keep it, and how channels get it."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import uuid4

from chat4all.model.clock import now_ms
from chat4all.model.content import Album, Media, said_by
from chat4all.model.conversations import Membership
from chat4all.model.drafts import AlbumItem, MediaDraft
from chat4all.model.files import (
    ANY_TYPE,
    FileStatus,
    StoredFile,
    checked_type,
    mended_name,
    message_holder,
    message_of,
    message_prefix,
    name_in,
    readable_size,
)
from chat4all.model.ids import inbound_file_id
from chat4all.ports import Inbound, MessageStore

# Longer than any URL that a store signs, so that what was accepted fits when it is sent.
LINK_MOST = 700
# A worker is asked to fetch at once; when it did not hear, the sweep asks.
FETCH_DUE_MS = 5_000
# Of the messages that carry a file so many are looked at, for somebody who came after it.
PAGE, PAGES = 200, 5
FETCH_LIFE_MS = 24 * 3_600_000


class Unfrozen(Protocol):
    """What is needed to know of a message on its way in."""

    @property
    def message_id(self) -> str:
        """Its id."""

    @property
    def conversation_id(self) -> str:
        """Its conversation."""

    @property
    def file_drafts(self) -> tuple[MediaDraft | AlbumItem, ...]:
        """The files that it wants to carry."""


def found(store: MessageStore, works: Sequence[Unfrozen]) -> dict[str, StoredFile]:
    """The files that these messages want to carry, those that exist, by the id as the draft writes it."""
    wanted = {draft.file_id for work in works for draft in work.file_drafts}
    kept = store.files([each.lower() for each in wanted]) if wanted else {}
    return {each: kept[each.lower()] for each in wanted if each.lower() in kept}


def may_carry(work: Unfrozen, file: StoredFile | None) -> bool:
    """Whether the file is complete and of the message's conversation."""
    return file is not None and file.status is FileStatus.READY and file.conversation_id == work.conversation_id


def frozen(file: StoredFile, text: str, kind: str = "") -> Media:
    """The payload: all that a channel needs to send the file, whatever becomes of its row."""
    return Media(file.file_id, text, file.filename, file.mime_type, file.size, file.object_key, kind)


def may_know(store: MessageStore, file: StoredFile, membership: Membership, user_id: str) -> bool:
    """Whether a member may have the file: they were there when it came, or may read a message that carries it."""
    if file.owner == user_id or membership.may_read(user_id, file.members_version or 1):
        return True
    after = ""
    for _ in range(PAGES if file.status is FileStatus.READY else 0):
        holders_page = list(store.holders(file.checksum, message_prefix(file.file_id), PAGE, after))
        places = [place for holder in holders_page if (place := message_of(holder, file.file_id))]
        kept = store.registered([place for place in places if place[0] == file.conversation_id])
        carrying = store.messages([(each.conversation_id, each.seq) for each in kept.values()])
        if any(membership.may_read(user_id, each.members_version) for each in carrying.values()):
            return True
        if len(holders_page) < PAGE:
            break
        after = max(holders_page)
    return False


def hold(store: MessageStore, works: Sequence[Unfrozen], files: Mapping[str, StoredFile]) -> list[bool]:
    """For each message with files: take the references; whether all hold.

    The rows are read again after the references are written, while the sweep marks a row before it looks for references:
    so either the sweep sees the reference, or we see the mark.
    """
    wanted = [(files[draft.file_id], work) for work in works for draft in work.file_drafts]
    if not wanted:
        return []
    holders = [(file.checksum, message_holder(file.file_id, work.conversation_id, work.message_id)) for file, work in wanted]
    kept = store.hold_objects(holders, now_ms())
    again = store.files(list({file.file_id for file, _ in wanted}))
    lost = {
        id(work)
        for is_held, (file, work) in zip(kept, wanted, strict=True)
        if not is_held or again[file.file_id].status is not FileStatus.READY
    }
    return [id(work) not in lost for work in works if work.file_drafts]


def fetched_file(inbound: Inbound, message_id: str, conversation_id: str, owner: str, members_version: int = 0) -> StoredFile:
    """The file that a provider's message brings, to be fetched: under the same id at every repetition; the first is kept."""
    try:
        mime_type = checked_type(inbound.mime_type, inbound.filename)
    except ValueError:
        mime_type = ANY_TYPE
    now = now_ms()
    return StoredFile(
        file_id=inbound_file_id(message_id),
        conversation_id=conversation_id,
        owner=owner,
        filename=mended_name(inbound.filename or name_in(inbound.media), mime_type),
        mime_type=mime_type,
        size=0,
        part_size=0,
        created_at=now,
        channel=inbound.channel,
        account=inbound.account,
        media=inbound.media,
        message_id=message_id,
        due_at=now + FETCH_DUE_MS,
        expires_at=now + FETCH_LIFE_MS,
        key=str(uuid4()),
        members_version=members_version,
    )


def announced(file: StoredFile, text: str, kind: str = "") -> Media:
    """The payload of a message whose file is still to be fetched: where its bytes will be, its row says."""
    return Media(file.file_id, text, file.filename, file.mime_type, kind=kind)


def caption(payload: Media | Album, sender_name: str) -> str:
    """What stands beside a file: in groups the sender's name first."""
    return said_by(sender_name, payload.text)


def with_link(words: str, payload: Media, url: str) -> str:
    """A text that stands for a file which a channel does not take."""
    line = f"{payload.filename} ({readable_size(payload.size)}): {url}"
    return f"{words}\n{line}" if words else line
