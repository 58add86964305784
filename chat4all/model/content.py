"""What people send: one union of frozen types, the same in the log, the stores, the API, the stream and the clients.

Each type has `as_text`: the words that stand for it where a channel, or a client, cannot carry it. Pure; no I/O.
Times are milliseconds since 1970 UTC.
"""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

FIRST_WORDS = 40
MAP_LINK = "https://maps.google.com/?q={},{}"
EDITED = "✎ "
TAKEN_BACK = "[took a message back]"


class Text(Struct, frozen=True, tag="text", omit_defaults=True):
    """Words. No markup is read into them. `text` is never empty."""

    text: str

    def as_text(self) -> str:
        """The words."""
        return self.text


class Media(Struct, frozen=True, tag="file", omit_defaults=True):
    """A file that was complete when the message was accepted; everything a channel needs to send it is frozen here.

    `text`: the words beside it, its caption. `kind`: how it is meant to be shown: image, video, audio, voice, animation,
    sticker or document; empty: as its media type says. Records call it "file" and the API "media".
    `form`: what it is converted to before it goes (`media_forms`), on a channel that does not show it as it is.
    """

    file_id: str
    text: str = ""
    filename: str = ""
    mime_type: str = ""
    size: int = 0
    object_key: str = ""
    kind: str = ""
    form: str = ""

    def as_text(self) -> str:
        """The words beside it; else a document's name, or what it is."""
        named = self.filename if self.shown_as == "document" else ""
        return self.text or f"[{named or self.shown_as}]"

    @property
    def shown_as(self) -> str:
        """Its kind, by its media type where none was chosen."""
        family = self.mime_type.partition("/")[0]
        return self.kind or (family if family in ("image", "video", "audio") else "document")


class Album(Struct, frozen=True, tag="album", omit_defaults=True):
    """Two to ten files that are shown together, with one caption for all of them. The items have no words of their own."""

    items: tuple[Media, ...]
    text: str = ""

    def as_text(self) -> str:
        """The words beside them; else how many there are."""
        return self.text or f"[album of {len(self.items)}]"


ALBUM_LEAST, ALBUM_MOST = 2, 10
MEDIA_KINDS = ("image", "video", "audio", "voice", "animation", "sticker", "document")


class Location(Struct, frozen=True, tag="location", omit_defaults=True):
    """A place, in degrees. `live_until`: until when the person goes on telling where they are; 0: it is not live."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""
    live_until: int = 0

    def as_text(self) -> str:
        """What it is called, and a link to a map."""
        called = ", ".join(filter(None, (self.name, self.address)))
        return f"📍 {called}\n{self.link}" if called else f"📍 {self.link}"

    @property
    def link(self) -> str:
        """A map that shows it."""
        return MAP_LINK.format(self.latitude, self.longitude)


class Card(Struct, frozen=True, omit_defaults=True):
    """A person's card. `ids`: what providers call the person, by channel."""

    name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    organization: str = ""
    addresses: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    birthday: str = ""
    ids: dict[str, str] = {}

    def as_text(self) -> str:
        """All of it in a line."""
        known = (self.name, *self.phones, *self.emails, self.organization, *self.addresses, *self.urls, self.birthday)
        return ", ".join(filter(None, known))


class ContactCards(Struct, frozen=True, tag="contact_cards", omit_defaults=True):
    """People's cards."""

    cards: tuple[Card, ...]

    def as_text(self) -> str:
        """One line for each."""
        return "\n".join(f"👤 {each.as_text()}" for each in self.cards)


class Option(Struct, frozen=True, omit_defaults=True):
    """What can be chosen. `id`: what the sender calls it, 1 to 200 characters; providers never see it."""

    id: str
    title: str
    description: str = ""
    section: str = ""


class Link(Struct, frozen=True):
    """A button that opens a page."""

    title: str
    url: str


class Choices(Struct, frozen=True, tag="choices", omit_defaults=True):
    """A question with answers to choose from. style: buttons, list, quick_replies or keyboard. `button` opens a list."""

    text: str
    options: tuple[Option, ...] = ()
    style: str = "buttons"
    header: str = ""
    footer: str = ""
    button: str = ""
    links: tuple[Link, ...] = ()

    def as_text(self) -> str:
        """The question, and its answers by number."""
        return joined_lines(self.header, self.text, self.listed(), *(f"{each.title}: {each.url}" for each in self.links),
                            self.footer)  # fmt: skip

    def listed(self) -> str:
        """The answers by number, those of a section under its name."""
        lines, section = [], ""
        for number, each in enumerate(self.options, 1):
            if each.section != section:
                section = each.section
                lines.append(f"{section}:" if section else "")
            lines.append(f"{number}. {each.title}" + (f" - {each.description}" if each.description else ""))
        return joined_lines(*lines)


CHOICE_STYLES = ("buttons", "list", "quick_replies", "keyboard")


class Form(Struct, frozen=True, tag="form", omit_defaults=True):
    """A form. Out: which (`flow_id`), with what it begins with. In: `answers`, as the person gave them.

    `text` is said above it, `button` opens it.
    """

    text: str = ""
    button: str = ""
    flow_id: str = ""
    token: str = ""
    screen: str = ""
    data: dict[str, Any] = {}
    answers: dict[str, Any] = {}

    def as_text(self) -> str:
        """The answers by their names; of one that goes out, the words above it."""
        said = ", ".join(f"{name}: {plain(value)}" for name, value in self.answers.items())
        return f"[form] {said or self.text}".rstrip()


class Answer(Struct, frozen=True, tag="answer", omit_defaults=True):
    """Somebody chose. `target`: the message_id of the choices, empty: not known. `option_id`: as their sender called it.

    `data`: what the provider's button carries, where it is none of ours.
    """

    target: str = ""
    option_id: str = ""
    title: str = ""
    data: str = ""

    def as_text(self) -> str:
        """What the person read on it."""
        return self.title or self.data or self.option_id or "[button]"


POLL_OPTIONS_MOST = 12


class Poll(Struct, frozen=True, tag="poll", omit_defaults=True):
    """A question that all vote on, with 2 to 12 options. `multiple`: a person may choose several."""

    question: Annotated[str, Meta(min_length=1, max_length=300, pattern=r"\S")]
    options: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")], ...],
        Meta(min_length=2, max_length=POLL_OPTIONS_MOST),
    ]
    multiple: bool = False

    def as_text(self) -> str:
        """The question, and its options by number."""
        return joined_lines(f"📊 {self.question}", *(f"{number}. {each}" for number, each in enumerate(self.options, 1)))


class TemplateParameters(Struct, frozen=True, omit_defaults=True):
    """What stands in a template's places, by their order."""

    header: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()


class Template(Struct, frozen=True, tag="template", omit_defaults=True):
    """A message that the provider approved before. `text`: what it says, for history and for who cannot show it."""

    name: str
    language: str
    parameters: TemplateParameters = TemplateParameters()
    text: str = ""

    def as_text(self) -> str:
        """What it says, as far as that was given."""
        return self.text or joined_lines(f"[template {self.name}]", ", ".join(self.parameters.body))


class Reaction(Struct, frozen=True, tag="reaction", omit_defaults=True):
    """What somebody feels about a message; an empty `emoji` takes it back. `target`: its message_id, empty: not known."""

    target: str = ""
    emoji: str = ""

    def as_text(self, about: str = "") -> str:
        """The emoji, and to which words."""
        said = self.emoji or "[took a reaction back]"
        return f"{said} to “{first_words(about)}”" if about else said


class Vote(Struct, frozen=True, tag="vote", omit_defaults=True):
    """What somebody chose in a poll; no option takes it back. `target`: the poll's message_id, empty: not known.

    `options`: their numbers, from 1, as the poll lists them. `titles`: what stands there, said by who knows the poll.
    `counts`: of a poll that tells no names how many chose each option, in their order; then nobody's own vote is said.
    """

    target: str = ""
    options: Annotated[tuple[Annotated[int, Meta(ge=1, le=POLL_OPTIONS_MOST)], ...], Meta(max_length=POLL_OPTIONS_MOST)] = ()
    titles: Annotated[tuple[str, ...], Meta(max_length=POLL_OPTIONS_MOST)] = ()
    counts: Annotated[tuple[int, ...], Meta(max_length=POLL_OPTIONS_MOST)] = ()

    def as_text(self, about: str = "") -> str:
        """What was chosen, and in answer to which words."""
        said = f"🗳 {self.chosen}" if self.options or self.counts else "[took a vote back]"
        return f"{said} to “{first_words(about)}”" if about else said

    @property
    def chosen(self) -> str:
        """The options by what stands there, or by their numbers."""
        if self.counts:
            named = dict(enumerate(self.titles, 1))
            return ", ".join(f"{named.get(number, number)}: {count}" for number, count in enumerate(self.counts, 1))
        return ", ".join(self.titles or map(str, self.options))


class Edit(Struct, frozen=True, tag="edit", omit_defaults=True):
    """Other words for a message. `target`: its message_id, empty: not known."""

    content: Text | Media
    target: str = ""

    def as_text(self, about: str = "") -> str:
        """The new words."""
        del about
        return EDITED + self.content.as_text()


class Deletion(Struct, frozen=True, tag="deletion", omit_defaults=True):
    """A message is taken back. `target`: its message_id, empty: not known."""

    target: str = ""

    def as_text(self, about: str = "") -> str:
        """Never the words that were taken back."""
        del about
        return TAKEN_BACK


class OrderItem(Struct, frozen=True, omit_defaults=True):
    """A line of an order. `price`: of one, in `currency`, as the provider writes it."""

    product_id: str = ""
    name: str = ""
    quantity: str = ""
    price: str = ""
    currency: str = ""

    def as_text(self) -> str:
        """How many of what, and for how much."""
        named = self.name or self.product_id
        many = f"{self.quantity} x {named}" if self.quantity and named else self.quantity or named
        return " ".join(filter(None, (many, self.price, self.currency)))


class Order(Struct, frozen=True, tag="order", omit_defaults=True):
    """What a person wants to buy."""

    items: tuple[OrderItem, ...] = ()
    text: str = ""
    catalog_id: str = ""

    def as_text(self) -> str:
        """Its lines, and the words beside it."""
        lines = ", ".join(filter(None, (each.as_text() for each in self.items)))
        return f"[order] {'; '.join(filter(None, (lines, self.text)))}".rstrip()


class SharedPost(Struct, frozen=True, tag="shared_post", omit_defaults=True):
    """Something of a network that a person passes on. `kind`: post, reel, ad, product …, as the provider calls it."""

    kind: str = ""
    title: str = ""
    url: str = ""
    text: str = ""
    provider_id: str = ""

    def as_text(self) -> str:
        """What it is called, and its link."""
        return " ".join(filter(None, (f"[{self.kind or 'shared'}]", self.title, self.text, self.url)))


class Story(Struct, frozen=True, tag="story", omit_defaults=True):
    """A story that a person mentions us in, answers, or passes on. `kind`: mention, reply or share."""

    kind: str = ""
    url: str = ""
    text: str = ""
    provider_id: str = ""

    def as_text(self) -> str:
        """What was said, and about which story."""
        named = {"mention": "[mentioned you in a story]", "reply": "[answers your story]"}.get(self.kind, "[story]")
        return " ".join(filter(None, (named, self.text, self.url)))


class Call(Struct, frozen=True, tag="call", omit_defaults=True):
    """Something about a call: `status` is missed, ended, allowed or refused."""

    status: str = ""
    text: str = ""

    def as_text(self) -> str:
        """What of it, in words."""
        said = {"allowed": "[calls allowed]", "refused": "[calls not allowed]", "missed": "[missed call]"}
        return " ".join(filter(None, (said.get(self.status, "[call]"), self.text)))


class Participant(Struct, frozen=True, omit_defaults=True):
    """Somebody in a provider's chat. `id`: what the provider calls them; `name`: what they call themselves there."""

    name: str = ""
    id: str = ""


class ChatChange(Struct, frozen=True, tag="chat_change", omit_defaults=True):
    """What happened in a provider's chat, and nobody said. `kind`: joined, left, removed, titled or pinned. `people`: who came
    or went; `by`, `by_id`: who did it to them, or to the chat. `text`: the new title, or the words that were pinned.
    """

    kind: str = ""
    people: tuple[Participant, ...] = ()
    by: str = ""
    by_id: str = ""
    text: str = ""

    def as_text(self) -> str:
        """What happened, to whom, and who did it."""
        said = {"titled": "new title", "joined": "added" if self.by else "joined"}.get(self.kind, self.kind)
        done = f"[{said} by {self.by}]" if self.by else f"[{said}]"
        return " ".join(filter(None, (done, ", ".join(each.name or each.id for each in self.people), self.text)))


class Unsupported(Struct, frozen=True, tag="unsupported", omit_defaults=True):
    """A kind that has no type here yet. `kind`: as the provider calls it; `text`: what it was, with all that could be read."""

    kind: str = ""
    text: str = ""

    def as_text(self) -> str:
        """What it was."""
        return self.text or f"[{self.kind or 'not supported'}]"


# What callers send beside words and files. All other kinds are brought by providers only.
Composed = Location | ContactCards | Choices | Form | Answer | Poll | Template | Reaction | Vote | Edit | Deletion
Content = Text | Media | Album | Composed | Order | SharedPost | Story | Call | ChatChange | Unsupported
# Facts about another message, of the same conversation: its `target`.
Modifier = Reaction | Vote | Edit | Deletion
MODIFIERS = (Reaction, Vote, Edit, Deletion)
# What the API calls them, in the order of the docs. A class says its own name once, in its tag.
API_NAMES = {"file": "media"}


def type_of(content: Content | type[Struct]) -> str:
    """What the API calls this content's kind, or one of the types above."""
    tag = str(content.__struct_config__.tag)
    return API_NAMES.get(tag, tag)


def shown(content: Content) -> dict[str, Any]:
    """The content as the API gives it: `type`, and its fields but those that only the service needs."""
    fields: dict[str, Any] = msgspec.to_builtins(content)
    if isinstance(content, Media | Album):
        fields.pop("object_key", None)
        fields.pop("form", None)
        caption = fields.pop("text", "")
        if caption:
            fields["caption"] = caption
    if isinstance(content, Media):
        fields["kind"] = content.shown_as
    if isinstance(content, Album):
        fields["items"] = [{name: value for name, value in shown(each).items() if name != "type"} for each in content.items]
    if isinstance(content, Edit):
        fields["content"] = shown(content.content)
    return fields | {"type": type_of(content)}


def read_shown(payload: Mapping[str, Any]) -> Content:
    """The content that the API gives like this. A kind of a newer server is shown by what it says of itself."""
    try:
        read: Content = msgspec.convert(_as_recorded(payload), Content)
    except msgspec.ValidationError:
        return Unsupported(str(payload.get("type", "")), str(payload.get("text", "")))
    return read


def _as_recorded(payload: Mapping[str, Any]) -> dict[str, Any]:
    tags = {name: tag for tag, name in API_NAMES.items()}
    fields = dict(payload) | {"type": tags.get(payload.get("type", ""), payload.get("type", ""))}
    if payload.get("type") in {"media", "album"}:
        fields["text"] = fields.pop("caption", "")
    if payload.get("type") == "album" and isinstance(payload.get("items"), list):
        fields["items"] = [_as_recorded({**each, "type": "media"}) for each in payload["items"] if isinstance(each, dict)]
    if isinstance(payload.get("content"), dict):
        fields["content"] = _as_recorded(payload["content"])
    return fields


def words_of(content: Content, about: str = "") -> str:
    """The words that stand for it; `about`: those of the message that it points at."""
    return content.as_text(about) if isinstance(content, MODIFIERS) else content.as_text()


def own_words(content: Content) -> str:
    """The same, but of a file only the words beside it."""
    return content.text if isinstance(content, Media) else content.as_text()


def said_by(name: str, words: str) -> str:
    """Words with who says them before them, where people must be told; an empty `name`: they need not be."""
    return f"{name}: {words}" if name and words else f"{name}:" if name else words


def files_of(content: Content) -> tuple[Media, ...]:
    """The files in it."""
    if isinstance(content, Edit):
        content = content.content
    if isinstance(content, Album):
        return content.items
    return (content,) if isinstance(content, Media) else ()


def first_words(text: str, most: int = FIRST_WORDS) -> str:
    """The beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def joined_lines(*lines: str) -> str:
    """Those of these that say something, each on a line of its own."""
    return "\n".join(filter(None, lines))


def plain(value: object) -> str:
    """A value of a form as people read it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def kinds() -> list[str]:
    """What the API calls all kinds of content."""
    return [type_of(each) for each in get_args(Content)]
