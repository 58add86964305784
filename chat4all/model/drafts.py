"""A draft is what a sender gives; Accepted or Refused is the answer. The same for REST and gRPC."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from chat4all.model.content import ALBUM_LEAST, ALBUM_MOST, Album, Composed, Content, Media, Template, Text, type_of
from chat4all.model.messages import INTERNAL

# For so long a message is held until the person writes, unless its sender says less; and so long it may be sent at all.
HELD_MOST_S = 7 * 86_400
EXPIRES_LEAST_S = 60


class MediaDraft(Struct, frozen=True, tag="media", omit_defaults=True):
    """A complete file to send, with an optional caption.

    `kind`: how it is to be shown: image, video, audio, voice, animation, sticker or document; empty: as its media type says.
    """

    file_id: str
    caption: str = ""
    kind: str = ""

    def as_text(self) -> str:
        """The words beside it."""
        return self.caption


class FileDraft(Struct, frozen=True, tag="file"):
    """The same as it was called first. It is still taken, and a file without more is chosen in these words: in its digest."""

    file_id: str
    text: str = ""


class AlbumItem(Struct, frozen=True, omit_defaults=True):
    """A complete file of an album. `kind`: as of media."""

    file_id: str
    kind: str = ""


class AlbumDraft(Struct, frozen=True, tag="album", omit_defaults=True):
    """Two to ten complete files that are shown together, with an optional caption for all of them."""

    items: Annotated[tuple[AlbumItem, ...], Meta(min_length=ALBUM_LEAST, max_length=ALBUM_MOST)]
    caption: str = ""

    def as_text(self) -> str:
        """The words beside them."""
        return self.caption


# What callers may send.
Sendable = Text | MediaDraft | AlbumDraft | Composed
_read: Any = Sendable | FileDraft
PLACE = re.compile(r" - at `\$\.?(.*)`$")


class WrongPayload(ValueError):
    """A payload that is none. `field`: where in it, with dots between levels; empty: all of it."""

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.detail, self.field = detail, field


def read_payload(given: object) -> Sendable:
    """What somebody wants to send, as JSON that is already parsed. WrongPayload says what is wrong with it, and where."""
    try:
        read = msgspec.convert(given, _read)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _wrong(str(error), given) from None
    unknown = _unknown(given, read)
    if unknown:
        raise WrongPayload("unknown field", f"{_tag(given)}.{unknown}")
    return MediaDraft(read.file_id, read.text) if isinstance(read, FileDraft) else read


def _wrong(detail: str, given: object) -> WrongPayload:
    """msgspec says the place at the end of its message."""
    place = PLACE.search(detail)
    where = re.sub(r"\[(\d+)\]", r".\1", place[1]).removesuffix("[...]") if place else ""
    missing = re.search(r"missing required field `(\w+)`", detail)
    if missing:
        where = ".".join(filter(None, (where, missing[1])))
    if not isinstance(given, dict) or where == "type" or (missing and missing[1] == "type"):
        return WrongPayload(PLACE.sub("", detail))
    return WrongPayload(PLACE.sub("", detail), ".".join(filter(None, (_tag(given), where))))


def _tag(given: object) -> str:
    tag = given.get("type") if isinstance(given, dict) else ""
    return tag if isinstance(tag, str) else ""


def _unknown(given: object, read: object) -> str:
    """The first field of what was given that its type does not have; empty: none."""
    if isinstance(given, list) and isinstance(read, tuple):
        found = (f"{number}.{name}" for number, pair in enumerate(zip(given, read, strict=True)) if (name := _unknown(*pair)))
        return next(found, "")
    if not isinstance(given, dict) or not isinstance(read, Struct):
        return ""
    names = {each.encode_name: each.name for each in msgspec.structs.fields(read)}
    tag = read.__struct_config__.tag_field
    for name, value in given.items():
        if name not in names:
            if name != tag:
                return str(name)
        elif inner := _unknown(value, getattr(read, names[name])):
            return f"{name}.{inner}"
    return ""


def content_of(payload: Sendable) -> Content:
    """The content that a draft becomes, before its files are looked up."""
    if isinstance(payload, AlbumDraft):
        return Album(tuple(Media(each.file_id, kind=each.kind) for each in payload.items), payload.caption)
    return Media(payload.file_id, payload.caption, kind=payload.kind) if isinstance(payload, MediaDraft) else payload


def name_of(payload: Sendable) -> str:
    """What the API calls its kind."""
    return str(payload.__struct_config__.tag) if isinstance(payload, MediaDraft | AlbumDraft) else type_of(payload)


class LegDraft(Struct, frozen=True, omit_defaults=True):
    """One way of a route, as a sender wrote it. `channel`, or `account_id`: the account that sends on its channel.

    `until`, `within_s`: the next leg begins when this one is not so far within so many seconds; None: only when it failed.
    `payload`: what is said here instead of the message's.
    """

    channel: str = ""
    account_id: str = ""
    until: str = ""
    within_s: int | None = None
    payload: Sendable | None = None


class Draft(Struct, frozen=True):
    """A message as its sender wrote it. `conversation_id`, or `to` with one user id or channel:address, or both.

    Beside a conversation `to` limits external delivery to some members. `sender` is the caller when empty.
    `reply_to`: the message_id of what it answers. `adapt` False: refused where a channel would have to adapt it.
    `visibility` "internal": a note, for those who answer. `via`: the account that it is sent from; the environment's account
    has its channel's name.
    `outside_window`: what goes in its place to whom nothing else may be sent now; None: then it fails. `holds`: it waits there
    until they write. `expires_in`: seconds after which it is not sent any more; 0: it is tried for as long as others.
    `route`: one channel after the other, in place of `channels`; None: left out. `send_at`: when it is sent (ms UTC); 0: now.
    `channels` None: left out. ["all"]: every verified address. `key` in place of a message_id: an Idempotency-Key.
    """

    payload: Sendable
    message_id: str | None = None
    conversation_id: str | None = None
    to: list[str] | None = None
    sender: str | None = None
    channels: list[str] | None = None
    metadata: dict[str, Any] = {}
    key: str | None = None
    reply_to: str = ""
    adapt: bool = True
    visibility: str = ""
    outside_window: Template | None = None
    holds: bool = False
    expires_in: int = 0
    via: str = ""
    route: tuple[LegDraft, ...] | None = None
    send_at: int = 0

    @property
    def is_internal(self) -> bool:
        """Whether it is a note, for those who answer."""
        return self.visibility == INTERNAL


class Accepted(Struct, frozen=True):
    """Durable in the log, or stored already with the same body. `status`: of what is to be sent later, how that stands."""

    message_id: str
    conversation_id: str
    status: str = "accepted"


class Refused(Struct, frozen=True, omit_defaults=True):
    """Not accepted. `status` is the HTTP status, `code` is stable, `field` names the culprit (dots between levels).

    503 `outcome_unknown` may still happen: the sender repeats it with the same `message_id` after `retry_after` seconds.
    """

    status: int
    code: str
    detail: str
    field: str = ""
    message_id: str = ""
    conversation_id: str = ""
    retry_after: int = 0
