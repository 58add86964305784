"""What people attach on Meta's messaging platform, by its type: files, places, what they share, and what has no type here."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chat4all.channels.json_fields import degrees, fields, gist, ident, items, joined, raw, words
from chat4all.model.content import Content, Location, SharedPost, Story, Unsupported

KIND_MOST = 40
# How files are meant to be shown. All other kinds name a page, not a file: nobody fetches it, and the words carry its link.
FILES = {"image": "image", "video": "video", "audio": "audio", "file": "document", "sticker": "sticker"}
# What is shared, as it is called here.
SHARED = {
    "share": "post", "post": "post", "ig_post": "post", "reel": "reel", "ig_reel": "reel", "fallback": "link",
    "template": "template", "product": "product",
}  # fmt: skip
STORIES = {"story_mention": "mention", "ig_story": "share"}
# What nobody reads in the words of an attachment.
BESIDE = ("template_type", "image_url", "sharable", "type", "id", "retailer_id")
SAID = ("title", "url", "product", "elements", "text", "buttons")
SHARED_IDS = ("ig_post_media_id", "reel_video_id", "story_media_id", "retailer_id", "id")


class Piece(Struct, frozen=True):
    """What becomes a message of its own: typed content, or a file with the words beside it, or words alone.

    `file`: which of the message's files it is, from 0. `raw`: what came, where there was no type for it.
    """

    content: Content | None = None
    text: str = ""
    media: str = ""
    kind: str = ""
    file: int | None = None
    option: str = ""
    raw: bytes = b""


def pieces(attachments: Iterable[object]) -> list[Piece]:
    """What is attached, in its order."""
    found: list[Piece] = []
    for each in _once([fields(each) for each in attachments]):
        found.extend(_read(each, sum(one.file is not None for one in found)))
    return found


def with_words(found: Sequence[Piece], text: str) -> list[Piece]:
    """The pieces with these words: beside the first file or in the first thing that has a place for them, else in front."""
    for place, each in enumerate(found):
        if each.media and not each.text:
            return [*found[:place], replace(each, text=text), *found[place + 1 :]]
        if isinstance(each.content, SharedPost | Story):
            spoken = replace(each.content, text=joined(each.content.text, text))
            return [*found[:place], replace(each, content=spoken), *found[place + 1 :]]
    return [Piece(text=text), *found]


def unsupported(kind: str, text: str, part: object) -> Piece:
    """What has no type here: in words, with all that came."""
    return Piece(Unsupported(kind, text), raw=raw(part))


def link_of(attachment: object) -> str:
    """The first thing in it that looks like a URL."""
    links = (words(each.get("url")) for each in (fields(attachment, "payload"), fields(attachment)))
    return next((each for each in links if "://" in each), "")


def _once(attachments: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The attachments, but a second telling of one: while Meta renames a kind, both names come."""
    newer = {(_kind(each), _same(each)) for each in attachments if _same(each)}
    for each in attachments:
        kind, same = _kind(each), _same(each)
        if not (kind == "image" and ("sticker", same) in newer) and not (kind == "share" and ("ig_post", same) in newer):
            yield each


def _same(attachment: dict[str, Any]) -> str:
    payload = fields(attachment, "payload")
    return ident(payload.get("sticker_id")) or ident(payload.get("ig_post_media_id"))


def _kind(attachment: dict[str, Any]) -> str:
    return words(attachment.get("type"))[:KIND_MOST]


def _read(attachment: dict[str, Any], file: int) -> Iterator[Piece]:
    kind, url = _kind(attachment), link_of(attachment)
    content = _place(attachment) or _shared(kind, attachment, url) or _story(kind, attachment, url)
    if content:
        yield Piece(content)
    if url and kind in FILES:
        is_sticker = bool(ident(fields(attachment, "payload").get("sticker_id")))
        yield Piece(media=url, kind="sticker" if is_sticker else FILES[kind], file=file)
    elif url and kind == "story_mention":
        # The story is gone after a day, and so is what its link shows.
        yield Piece(media=url, file=file)
    elif kind == "like_heart":
        yield Piece(text="❤️")
    elif not content:
        yield unsupported(kind, _described(kind, attachment, url), attachment)


def _place(attachment: dict[str, Any]) -> Content | None:
    coordinates = fields(attachment, "payload", "coordinates")
    latitude, longitude = degrees(coordinates.get("lat"), 90), degrees(coordinates.get("long"), 180)
    if latitude is None or longitude is None:
        return None
    return Location(latitude, longitude, _title(attachment))


def _shared(kind: str, attachment: dict[str, Any], url: str) -> Content | None:
    payload = fields(attachment, "payload")
    products = items(fields(payload, "product").get("elements"))
    cards = [fields(each) for each in products or items(payload.get("elements"))]
    card = next(iter(cards), {})
    title = _title(attachment) or ", ".join(filter(None, (words(each.get("title")) for each in cards)))
    url = url or words(card.get("item_url")) or words(card.get("url"))
    subtitles = joined(*(each.get("subtitle") for each in cards), by=", ")
    buttons = [f"[{title}]" for each in items(payload.get("buttons")) if (title := words(fields(each).get("title")))]
    text = joined(payload.get("text"), subtitles, *buttons, gist(_rest(payload, cards), *BESIDE, *SHARED_IDS))
    if kind not in SHARED or not (title or url or text):
        return None
    ids = (ident(each.get(name)) for each in (payload, card) for name in SHARED_IDS)
    return SharedPost("product" if products else SHARED[kind], title, url, text, next(filter(None, ids), ""))


def _rest(payload: dict[str, Any], cards: Sequence[dict[str, Any]]) -> list[Any]:
    """What a payload says beside its titles and its links."""
    plain = {name: each for name, each in payload.items() if name not in SAID}
    known = ("title", "subtitle", "item_url", "url")
    return [plain, *({name: each for name, each in card.items() if name not in known} for card in cards)]


def _story(kind: str, attachment: dict[str, Any], url: str) -> Content | None:
    payload = fields(attachment, "payload")
    if kind not in STORIES or not payload:
        return None
    return Story(STORIES[kind], url, _title(attachment), ident(payload.get("story_media_id")) or ident(payload.get("id")))


def _title(attachment: dict[str, Any]) -> str:
    return words(attachment.get("title")) or words(fields(attachment, "payload").get("title"))


def _described(kind: str, attachment: dict[str, Any], url: str) -> str:
    payload = fields(attachment, "payload")
    more = gist({name: each for name, each in payload.items() if name not in ("title", "url")}, *BESIDE)
    return joined(f"[{kind or 'attachment'}]", _title(attachment), more, url)
