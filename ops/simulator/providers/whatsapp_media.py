"""WhatsApp's media endpoint: what may be uploaded, and how much of it."""

from collections.abc import Mapping
from typing import Any

from chat4all.model.file_signatures import HEAD_BYTES, true_type
from ops.simulator import forms
from ops.simulator.media import MediaStore
from ops.simulator.model import Answer, Call
from ops.simulator.providers.provider import MB, encode
from ops.simulator.providers.whatsapp_sends import invalid

OFFICE = "application/vnd.openxmlformats-officedocument"
SIZES: Mapping[str, int] = {
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg", "audio/opus"), 16 * MB),
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 * MB),
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * MB),
    "image/webp": MB // 2,
    **dict.fromkeys(("text/plain", "application/pdf", "application/msword"), 100 * MB),
    **dict.fromkeys(("application/vnd.ms-excel", "application/vnd.ms-powerpoint"), 100 * MB),
    f"{OFFICE}.wordprocessingml.document": 100 * MB,
    f"{OFFICE}.presentationml.presentation": 100 * MB,
    f"{OFFICE}.spreadsheetml.sheet": 100 * MB,
}


def upload(call: Call, media_store: MediaStore) -> Answer:
    """A file to send later by its id. Refused with WhatsApp's words."""
    try:
        given, files = forms.fields(call)
    except forms.Unreadable:
        raise invalid("The body cannot be read as a form.") from None
    file = files.get("file")
    if file is None or given.get("messaging_product") != "whatsapp":
        raise invalid("The parameters file and messaging_product are required.")
    mime_type = _checked(given, file)
    return Answer(encode({"id": media_store.put(file.filename, mime_type, file.content).media_id}))


def _checked(given: Mapping[str, Any], file: forms.File) -> str:
    mime_type = str(given.get("type") or file.mime_type).partition(";")[0].strip().lower()
    if mime_type not in SIZES:
        types = ", ".join(SIZES)
        raise invalid(
            f"Param file must be a file with one of the following types: {types}. Received file of type '{mime_type}'."
        )
    if not file.content or len(file.content) > SIZES[mime_type]:
        raise invalid(f"Param file must be between 1 and {SIZES[mime_type]} bytes.")
    is_so = true_type(mime_type, file.content[:HEAD_BYTES])
    if is_so != mime_type:
        raise invalid(f"Param file must be a file of type '{mime_type}'. Received file of type '{is_so}'.")
    return mime_type
