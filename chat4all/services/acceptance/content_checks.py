"""What people may say with each kind of content: pure rules over a draft's payload."""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from chat4all.model.content import (
    CHOICE_STYLES,
    MEDIA_KINDS,
    Answer,
    Choices,
    ContactCards,
    Deletion,
    Edit,
    Form,
    Location,
    Reaction,
    Template,
    Text,
    Vote,
)
from chat4all.model.drafts import AlbumDraft, MediaDraft, Sendable
from chat4all.model.ids import is_uuid
from chat4all.model.template_rules import EVEN, UNEVEN

# A code, what to do, and where in the payload.
Wrong = tuple[str, str, str]

OPTION_ID_MOST = 200
TITLE_MOST = 200
OPTIONS_MOST = 50
CARDS_MOST = 20
LINE_MOST = 1_000
TEMPLATE_BUTTONS_MOST = 10
EMOJI_MOST = 32
# The largest whole number that every reader of JSON keeps as it is.
TIME_MOST = 2**53


def content_fault(payload: Sendable, text_limit: int) -> Wrong | None:
    """What is wrong with it: the first such thing, or None. `text_limit`: characters that it may have in words."""
    for wrong in FAULTS.get(type(payload), _nothing)(payload):
        return wrong
    field = "text" if isinstance(payload, Text) else "caption" if isinstance(payload, MediaDraft | AlbumDraft) else ""
    if len(payload.as_text()) > text_limit:
        return ("text_too_long", f"at most {text_limit} characters", field)
    return None


def _nothing(_payload: Sendable) -> Iterable[Wrong]:
    return ()


def data_of(payload: Sendable) -> dict[str, Any]:
    """What a caller put into it that nobody here reads: it is bounded as metadata are."""
    return payload.data if isinstance(payload, Form) else {}


def _text(text: Text) -> Iterable[Wrong]:
    if not text.text.strip():
        yield ("empty_text", "a text needs words", "text")


def _media(media: MediaDraft) -> Iterable[Wrong]:
    if media.kind and media.kind not in MEDIA_KINDS:
        yield _one_of(MEDIA_KINDS, "kind")


def _album(album: AlbumDraft) -> Iterable[Wrong]:
    known: set[str] = set()
    for number, each in enumerate(album.items):
        if each.kind and each.kind not in MEDIA_KINDS:
            yield _one_of(MEDIA_KINDS, f"items.{number}.kind")
        if each.file_id.lower() in known:
            yield ("invalid", "each file once", f"items.{number}.file_id")
        known.add(each.file_id.lower())


def _form(form: Form) -> Iterable[Wrong]:
    if not form.flow_id or form.answers:
        yield ("invalid", "a form that is sent needs a flow_id, and has no answers yet", "flow_id")


def _template(template: Template) -> Iterable[Wrong]:
    """No provider takes an empty place, or one of several lines; a button that has no place is given as ""."""
    yield from (_needed(name) for name in ("name", "language") if not getattr(template, name).strip())
    for place in ("header", "body", "buttons"):
        for number, each in enumerate(getattr(template.parameters, place)):
            if not each.strip() and (each or place != "buttons"):
                yield ("template_invalid", "words for this place", f"parameters.{place}.{number}")
            if UNEVEN.search(each):
                yield ("template_invalid", EVEN, f"parameters.{place}.{number}")
    if len(template.parameters.buttons) > TEMPLATE_BUTTONS_MOST:
        yield ("template_invalid", f"at most {TEMPLATE_BUTTONS_MOST} buttons", "parameters.buttons")


def _pointing(payload: Answer | Reaction | Vote | Edit | Deletion) -> Iterable[Wrong]:
    if not is_uuid(payload.target):
        yield ("malformed_uuid", "the message_id of what this is about", "target")
    if isinstance(payload, Reaction) and (len(payload.emoji) > EMOJI_MOST or payload.emoji.isalnum()):
        yield ("invalid", "one emoji; empty takes the reaction back", "emoji")
    if isinstance(payload, Vote):
        if len(set(payload.options)) < len(payload.options):
            yield ("invalid", "each option once, by its number from 1; none takes the vote back", "options")
        yield from (
            ("invalid", "the service says it of the poll", name) for name in ("titles", "counts") if getattr(payload, name)
        )
    if isinstance(payload, Edit):
        if not isinstance(payload.content, Text):
            yield ("invalid", "only words can be edited: a text", "content")
        elif not payload.content.text.strip():
            yield ("empty_text", "a text needs words", "content.text")
    if isinstance(payload, Answer) and not payload.option_id.strip():
        yield _needed("option_id")


def _location(place: Location) -> Iterable[Wrong]:
    for name, most in (("latitude", 90), ("longitude", 180)):
        degrees = getattr(place, name)
        if not isfinite(degrees) or abs(degrees) > most:
            yield ("invalid", f"degrees from -{most} to {most}", name)
    if not 0 <= place.live_until <= TIME_MOST:
        yield ("invalid", "milliseconds since 1970, or 0", "live_until")
    yield from (_too_long(name, LINE_MOST) for name in ("name", "address") if len(getattr(place, name)) > LINE_MOST)


def _cards(people: ContactCards) -> Iterable[Wrong]:
    if not 0 < len(people.cards) <= CARDS_MOST:
        yield ("invalid", f"1 to {CARDS_MOST} cards", "cards")
    for number, each in enumerate(people.cards):
        if not each.name.strip():
            yield _needed(f"cards.{number}.name")


def _choices(choices: Choices) -> Iterable[Wrong]:
    if not choices.text.strip():
        yield ("empty_text", "choices need a question", "text")
    if choices.style not in CHOICE_STYLES:
        yield _one_of(CHOICE_STYLES, "style")
    if not choices.options and not choices.links:
        yield ("invalid", "at least one option or link", "options")
    if len(choices.options) > OPTIONS_MOST:
        yield ("invalid", f"at most {OPTIONS_MOST} options", "options")
    known: set[str] = set()
    for number, each in enumerate(choices.options):
        if not 0 < len(each.id) <= OPTION_ID_MOST or each.id in known:
            yield ("invalid", f"1 to {OPTION_ID_MOST} characters, each id once", f"options.{number}.id")
        known.add(each.id)
        yield from _title(each.title, f"options.{number}.title")
    for number, link in enumerate(choices.links):
        yield from _title(link.title, f"links.{number}.title")
        if not link.url.startswith(("https://", "http://")):
            yield ("invalid", "an address that begins with https://", f"links.{number}.url")


def _title(title: str, field: str) -> Iterable[Wrong]:
    if not title.strip() or "\n" in title:
        yield ("invalid", "words in one line", field)
    if len(title) > TITLE_MOST:
        yield _too_long(field, TITLE_MOST)


def _needed(field: str) -> Wrong:
    return ("missing", "needed", field)


def _too_long(field: str, most: int) -> Wrong:
    return ("invalid", f"at most {most} characters", field)


def _one_of(names: Iterable[str], field: str) -> Wrong:
    return ("invalid", f"one of {', '.join(names)}", field)


# What can be wrong with a kind beside the types and bounds of its fields.
FAULTS: dict[type, Callable[[Any], Iterable[Wrong]]] = {
    Text: _text,
    MediaDraft: _media,
    AlbumDraft: _album,
    Location: _location,
    ContactCards: _cards,
    Choices: _choices,
    Form: _form,
    Template: _template,
    **dict.fromkeys((Answer, Reaction, Vote, Edit, Deletion), _pointing),
}
