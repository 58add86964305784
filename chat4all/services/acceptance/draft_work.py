"""One draft on its way through acceptance: what is known of it so far, and how it leaves a batch."""

from collections.abc import Sequence
from uuid import uuid4

from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.content import Content
from chat4all.model.conversations import Membership
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.drafts import AlbumDraft, AlbumItem, Draft, FileDraft, MediaDraft, Refused, Sendable, content_of
from chat4all.model.ids import keyed_message_id
from chat4all.model.messages import Message, body_digest
from chat4all.services.acceptance.draft_checks import Fault

RETRY_AFTER_S = 1


class Work:
    """One draft on its way: what is known of it so far. `message` stays None when nothing is left to append.

    `is_same`: whether what is stored under its id has the same body; None: nothing is. `record`: where it waits until it is
    sent later. `digest`: where its body was another when it was first asked for.
    """

    __slots__ = ("conversation_id", "digest", "draft", "is_same", "limited", "membership", "message", "message_id", "pair",
                 "payload", "record", "refused")  # fmt: skip

    def __init__(self, caller: Caller, draft: Draft, digest: str = "") -> None:
        self.draft = draft if draft.sender else replace(draft, sender=caller.user_id)
        self.message_id = message_id_of(caller, draft)
        self.conversation_id = (draft.conversation_id or "").lower()
        self.digest = digest or digest_of(self.sender, draft)
        self.is_same: bool | None = None
        self.limited: list[str] | None = None
        self.pair: tuple[str, str] | None = None
        self.membership: Membership | None = None
        self.payload: Content = content_of(draft.payload)
        self.message: Message | None = None
        self.refused: Refused | None = None
        self.record: DeferredRecord | None = None

    @property
    def sender(self) -> str:
        """Who says it."""
        return self.draft.sender or ""

    @property
    def is_later(self) -> bool:
        """Whether it is to be sent later: what may be otherwise then is looked at then."""
        return bool(self.draft.send_at)

    @property
    def is_stored(self) -> bool:
        """Whether it was accepted before."""
        return self.is_same is True

    @property
    def is_taken(self) -> bool:
        """Whether its id belongs to another body. Told only to who may know that the id is taken."""
        return self.is_same is False

    @property
    def file_drafts(self) -> tuple[MediaDraft | AlbumItem, ...]:
        """The files that it wants to carry."""
        payload = self.draft.payload
        if isinstance(payload, AlbumDraft):
            return payload.items
        return (payload,) if isinstance(payload, MediaDraft) else ()

    def refuse(self, status: int, code: str, detail: str, field: str = "", retry_after: int = 0) -> None:
        """Take this draft out of the batch."""
        self.refused = Refused(status, code, detail, field, self.message_id, self.conversation_id, retry_after)

    def refuse_taken(self) -> None:
        """Its id belongs to another body."""
        if self.draft.key:
            self.refuse(422, "idempotency_key_reused", "this key belongs to another request", "Idempotency-Key")
        else:
            self.refuse(409, "message_id_conflict", "this message_id belongs to another body", "message_id")

    def apply(self, wrong: Fault | None) -> None:
        """Refuse it for what is wrong with it, if anything is."""
        if wrong:
            self.refuse(wrong.status, wrong.code, wrong.detail, wrong.field)


def message_id_of(caller: Caller, draft: Draft) -> str:
    """The id that the sender chose, or that follows from their key; else a new one."""
    if draft.key:
        return keyed_message_id(caller.workspace, caller.user_id, draft.key)
    return (draft.message_id or str(uuid4())).lower()


def digest_of(sender: str, draft: Draft) -> str:
    """Of all that the sender chose. Under a key of theirs also whom it is for: there the id does not depend on that."""
    where = ((draft.conversation_id, draft.to),) if draft.key else ()
    further = {
        "reply_to": draft.reply_to,
        "visibility": draft.visibility,
        "outside_window": draft.outside_window,
        "holds": draft.holds,
        "expires_in": draft.expires_in,
        "via": draft.via,
        "route": draft.route,
        "send_at": draft.send_at,
    }
    beside = ({name: value for name, value in further.items() if value},) if any(further.values()) else ()
    return body_digest(sender, _chosen(draft.payload), draft.channels, _limit(draft), draft.metadata, *where, *beside)


def _chosen(payload: Sendable) -> Sendable | FileDraft:
    """A file in the words in which older code put it, so that its repetition is the same message still."""
    if isinstance(payload, MediaDraft) and not payload.kind:
        return FileDraft(payload.file_id, payload.caption)
    return payload


def _limit(draft: Draft) -> list[str] | None:
    """To whom the sender limited the message, as they wrote it: owners of addresses may change between two tries."""
    return sorted(set(draft.to)) if draft.conversation_id and draft.to else None


def still_open(works: Sequence[Work]) -> list[Work]:
    """Those that are neither refused nor answered yet."""
    return [work for work in works if not work.refused and not work.is_stored]


def going_now(works: Sequence[Work]) -> list[Work]:
    """Those of them that are to be sent now."""
    return [work for work in still_open(works) if not work.is_later]


def pending(works: Sequence[Work]) -> list[Work]:
    """Those that waited for the log: what is stored already stays accepted."""
    return [work for work in works if not work.is_stored]


def refuse_all(works: Sequence[Work], code: str, detail: str) -> None:
    """An outage: the same drafts may be brought again."""
    for work in works:
        if not work.refused:
            work.refuse(503, code, detail, retry_after=RETRY_AFTER_S)
