"""The forms in which files go to channels that do not show them as they are, and when which is made. Pure; no I/O.

A form is one thing for all channels: what is made for one is made for all that take it.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import Media
from chat4all.model.files import ANY_TYPE

MB = 1 << 20
# Larger files are not converted.
READ_MOST = 64 * MB
PICTURES = frozenset({
    "image/jpeg", "image/png", "image/webp", "image/gif", "image/heic", "image/heif", "image/avif", "image/bmp", "image/tiff",
})  # fmt: skip
SOUNDS = frozenset({
    "audio/ogg", "audio/webm", "audio/mp4", "audio/mpeg", "audio/aac", "audio/amr", "audio/wav", "audio/flac", "audio/3gpp",
})  # fmt: skip
FILMS = frozenset({
    "video/mp4", "video/webm", "video/quicktime", "video/x-matroska", "video/x-msvideo", "video/3gpp", "video/mpeg",
    "video/ogg",
})  # fmt: skip


class MediaForm(Struct, frozen=True):
    """What a file is made into: of this type, so large at most, out of a file of one of these types.

    `has_words`: channels show words beside it.
    """

    name: str
    mime_type: str
    bytes_most: int
    reads: frozenset[str]
    has_words: bool = False


# A browser calls the container of a sound what it calls that of a film.
VOICE = MediaForm("voice", "audio/ogg", 16 * MB, SOUNDS | FILMS)
SOUND = MediaForm("sound", "audio/mp4", 16 * MB, SOUNDS | FILMS)
PICTURE = MediaForm("picture", "image/jpeg", 4 * MB, PICTURES, has_words=True)
STICKER = MediaForm("sticker", "image/webp", 100_000, PICTURES)
# A picture that moves becomes one, too; one that turns out not to move, a picture.
FILM = MediaForm("film", "video/mp4", 15 * MB, FILMS | {"image/gif"}, has_words=True)
FORMS = {each.name: each for each in (VOICE, SOUND, PICTURE, STICKER, FILM)}
# For what is meant to be shown as this, in the order in which it is wished.
BY_KIND: Mapping[str, tuple[MediaForm, ...]] = {
    "voice": (VOICE, SOUND),
    "audio": (SOUND, VOICE),
    "image": (PICTURE,),
    "animation": (FILM,),
    "sticker": (STICKER, PICTURE),
    "video": (FILM,),
}
# What a conversion may bring, and how files of that type end.
SUFFIXES = {"image/jpeg": ".jpg", "image/webp": ".webp", "audio/ogg": ".ogg", "audio/mp4": ".m4a", "video/mp4": ".mp4"}

# By how something is shown: the media types that a channel shows so, and how large they may be.
Shown = Mapping[str, Mapping[str, int]]


def form_for(file: Media, shown: Shown) -> MediaForm | None:
    """What to make of a file so that a channel shows it as what it is meant to be; None: it goes as it is.

    Of one that a provider brought neither size nor type may be known yet.
    """
    kind = "animation" if file.mime_type == "image/gif" and file.shown_as == "image" else file.shown_as
    if kind not in shown or file.size > READ_MOST or _is_shown(file, shown[kind]):
        return None
    is_known = bool(file.object_key) or file.mime_type != ANY_TYPE
    return next((each for each in BY_KIND.get(kind, ()) if _helps(each, file, shown, is_known)), None)


def form_despite(file: Media, shown: Shown) -> MediaForm | None:
    """What to make of a file whose type a channel shows, and whose codecs it does not; None: it goes as it is."""
    kind = file.shown_as
    if kind not in shown or not 0 < file.size <= READ_MOST:
        return None
    return next((each for each in BY_KIND.get(kind, ()) if _helps(each, file, shown, True)), None)


def most_bytes(file: Media) -> int:
    """How large it may be when it goes; 0: not known."""
    form = FORMS.get(file.form)
    return max(file.size, form.bytes_most) if form else file.size


def as_formed(file: Media) -> Media:
    """The file as it will be, as far as that is known before it is converted."""
    form = FORMS.get(file.form)
    return as_converted(file, form.mime_type, form.bytes_most, file.object_key) if form else file


def as_converted(file: Media, mime_type: str, size: int, object_key: str) -> Media:
    """The file as what was made of it, which may be shown as something else than what was asked for: a picture may move."""
    family, kind = mime_type.partition("/")[0], file.kind
    if family == "video" and file.mime_type.startswith("image/"):
        kind = "animation"
    if family == "image" and kind == "animation":
        kind = ""
    if kind == "sticker" and mime_type != STICKER.mime_type:
        kind = ""
    name = f"{PurePosixPath(file.filename or 'file').stem}{SUFFIXES.get(mime_type, '')}"
    return replace(file, filename=name, mime_type=mime_type, size=size, object_key=object_key, kind=kind, form="")


def _is_shown(file: Media, types: Mapping[str, int]) -> bool:
    return file.size <= types.get(file.mime_type, -1)


def _helps(form: MediaForm, file: Media, shown: Shown, is_known: bool) -> bool:
    """Whether it can be made of this file, and whether some kind of what is shown takes it, however large it becomes."""
    if is_known and file.mime_type not in form.reads:
        return False
    return any(form.bytes_most <= types.get(form.mime_type, -1) for types in shown.values())
