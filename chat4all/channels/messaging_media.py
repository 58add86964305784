"""Files on Meta's messaging platform: of which kind they are, and uploading one to a page."""

from collections.abc import Mapping

import msgspec
from yarl import URL

from chat4all.channels import meta
from chat4all.channels.http import Http
from chat4all.channels.meta import Verdict
from chat4all.channels.multipart import form
from chat4all.model.clock import DAY_MS
from chat4all.model.content import Media
from chat4all.ports import Body, FileLink, MediaSource, Uploaded

# An attachment id is good for 90 days.
KEPT_MS = 89 * DAY_MS


def kind_of(file: Media, documents: bool = True) -> str:
    """The platform's word for it. `documents`: a picture or a film may go as a file that is not shown."""
    if documents and file.shown_as == "document":
        return "file"
    if file.shown_as in {"audio", "voice"}:
        # Sounds in MP4 are often called films.
        return "audio"
    family = file.mime_type.partition("/")[0]
    return family if family in {"image", "audio", "video"} else "file"


def payload(source: MediaSource) -> dict[str, str]:
    """Where the attachment is, or what it was uploaded as."""
    if isinstance(source, Uploaded):
        return {"attachment_id": source.handle}
    assert isinstance(source, FileLink)  # noqa: S101 - sends carry no bytes here
    return {"url": source.url}


async def upload(
    http: Http, account: URL, file: Media, body: Body, verdicts: Mapping[int | tuple[int, int], Verdict]
) -> Uploaded:
    """Give a page the file; its attachment's id. Raises as a send."""
    wanted = {"attachment": {"type": kind_of(file), "payload": {"is_reusable": True}}}
    sent = form({"message": msgspec.json.encode(wanted).decode()}, "filedata", file.filename or "file", file.mime_type, body)
    said = meta.success(await http.upload(account / "message_attachments", sent, body.seconds), verdicts)
    return meta.uploaded(said, "attachment_id", KEPT_MS)
