"""A page's message_attachments: files that are given to Messenger once, and named in as many messages as one likes."""

import msgspec

from ops.simulator import forms
from ops.simulator.media import MediaStore
from ops.simulator.model import Answer, Attached, Call, Refused
from ops.simulator.providers.provider import Takes, encode, largest


class _Payload(msgspec.Struct, frozen=True):
    is_reusable: bool = False


class _Attachment(msgspec.Struct, frozen=True):
    type: str
    payload: _Payload = _Payload()


class _Message(msgspec.Struct, frozen=True):
    attachment: _Attachment


_message = msgspec.json.Decoder(_Message, strict=False).decode


def upload(call: Call, media_store: MediaStore, takes: dict[str, Takes]) -> Answer:
    """A file to be named by its attachment_id. Refused with the platform's words."""
    try:
        given, files = forms.fields(call)
        wanted = _message(str(given.get("message", ""))).attachment
    except (forms.Unreadable, msgspec.MsgspecError):
        raise Refused(100, words="(#100) The parameter message is required") from None
    file = files.get("filedata")
    if wanted.type not in takes:
        raise Refused(100, words=f"(#100) Param message[attachment][type] must be one of {{{', '.join(takes)}}}")
    if file is None:
        raise Refused(100, words="(#100) Incorrect number of files uploaded. Must upload exactly one file.", subcode=2018006)
    most = largest(takes[wanted.type], file.mime_type)
    if not file.content or most is None or len(file.content) > most:
        raise Refused(100, words="(#100) Upload attachment failure.", subcode=2018047)
    # One that is not reusable can be sent to nobody by its id alone.
    kind = wanted.type if wanted.payload.is_reusable else ""
    return Answer(encode({"attachment_id": media_store.put(file.filename, file.mime_type, file.content, kind).media_id}))


def known(media_store: MediaStore, attachment_id: str, kind: str) -> Attached:
    """What was uploaded under this id, as this kind. Refused when there is nothing."""
    found = media_store.known(attachment_id)
    if found is None or found.kind != kind:
        raise Refused(100, words="(#100) Invalid attachment_id: it does not exist, or is of another type", subcode=2018074)
    return found
