"""Files on WhatsApp: how large those are that it takes, and uploading one."""

from yarl import URL

from chat4all.channels import meta
from chat4all.channels.http import Http
from chat4all.channels.meta import Verdict
from chat4all.channels.multipart import form
from chat4all.channels.whatsapp_sends import AUDIO, IMAGES, STICKER_BYTES, VIDEOS
from chat4all.model.clock import DAY_MS
from chat4all.model.content import Media
from chat4all.ports import Body, Uploaded

MB = 1 << 20
OFFICE = "application/vnd.openxmlformats-officedocument."
# By a link a document may be anything; what is uploaded may not.
DOCUMENTS = (
    "application/pdf", "text/plain", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
    f"{OFFICE}wordprocessingml.document", f"{OFFICE}spreadsheetml.sheet", f"{OFFICE}presentationml.presentation",
)  # fmt: skip
SHOWN = dict.fromkeys(IMAGES, 5 * MB) | dict.fromkeys((*VIDEOS, *AUDIO), 16 * MB)
BY_LINK = SHOWN | {"": 100 * MB}
BY_UPLOAD = SHOWN | dict.fromkeys(DOCUMENTS, 100 * MB) | {"image/webp": STICKER_BYTES}
STICKERS = {"image/webp": STICKER_BYTES}
FILMS = {each: SHOWN[each] for each in VIDEOS}
SHOWN_AS = {
    "image": {each: SHOWN[each] for each in IMAGES},
    "video": FILMS,
    "animation": FILMS,
    "audio": {each: SHOWN[each] for each in AUDIO},
    "voice": {"audio/ogg": SHOWN["audio/ogg"]},
    "sticker": STICKERS,
}
# Films are H.264 with AAC, voice notes and other sounds in Ogg are Opus: all else fails at Meta after it was taken (131053).
IN_MP4 = frozenset({"avc1", "avc3", "mp4a"})
CODECS = dict.fromkeys((*VIDEOS, "audio/mp4"), IN_MP4) | {"audio/ogg": frozenset({"opus"})}
# An id is good for 30 days; what is sent on the last of them must still arrive.
KEPT_MS = 29 * DAY_MS


async def upload(http: Http, number: URL, file: Media, body: Body, verdicts: dict[int | tuple[int, int], Verdict]) -> Uploaded:
    """Give WhatsApp the file; its id. Raises as a send."""
    given = {"messaging_product": "whatsapp", "type": file.mime_type}
    # The name that people see goes with the message.
    sent = form(given, "file", "file", file.mime_type, body)
    return meta.uploaded(meta.success(await http.upload(number / "media", sent, body.seconds), verdicts), "id", KEPT_MS)
