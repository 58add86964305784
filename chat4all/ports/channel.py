"""A channel: the code for one provider. It is one file and a line in `chat4all.channels`; other code knows only this class."""

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.account_health import AccountNews
from chat4all.model.content import Album, ContactCards, Content, Media, Reaction, type_of
from chat4all.model.failures import Failure, Permanent
from chat4all.model.records import ProviderReceipt
from chat4all.model.retry_policy import RetryPolicy
from chat4all.model.url_guard import Allowed
from chat4all.model.windows import ALWAYS, WindowRule
from chat4all.ports.media_source import Body, MediaSource
from chat4all.ports.templates import AccountTemplate, TemplateChange, TemplatePage
from chat4all.ports.uploads import Uploaded

# Asks for an emoji in colour, or plain.
VARIATION = "\ufe0f\ufe0e"


class ChoiceLimits(Struct, frozen=True):
    """How many choices of a style a provider shows, and how long their words may be: titles, descriptions, header and footer in
    characters, as all providers count them.

    text_length: of the question with its header and footer, in `Limits.text_unit`. `links`: how many buttons that open a page
    it shows, among the `options` or in place of them (`links_alone`). description_length 0: it shows none.
    """

    options: int
    title_length: int
    text_length: int
    description_length: int = 0
    header_length: int = 0
    footer_length: int = 0
    links: int = 0
    links_alone: bool = True


class Limits(Struct, frozen=True):
    """What the provider allows, declared by the channel and kept by the core.

    text_length: of one message, in `text_unit` ("characters" or UTF-8 "bytes").
    account_per_second: sends of one account. recipient_interval_s, recipient_burst: sends to one address: one per
    interval, with so many at once before; all above 0. recipient_paces: the same two for addresses that begin so, in place of
    those: such as groups. echoes_reference: receipts carry `Outgoing.reference` back, so an unknown outcome can be
    reconciled. receipts: which of sent, delivered, read, failed the provider ever tells.
    bare_receipts: some come without the reference although others have it, and are found by the provider's id.
    file_bytes: the largest file that it fetches from a link, by the beginning of the media type, the longest that fits
    ("image/jpeg", "video/", "" for all else); where nothing fits it takes none. upload_bytes: the same of what it is given.
    caption_length: of the words beside a file, in `text_unit`.
    contents: the kinds of content, as the API calls them, that it carries as they are beside text and media (`send_content`);
    all else is adapted. choices: those styles of choices that it shows. quotes: a send may answer another message.
    reactions: the emojis that can be one, without what says how to draw them; none: every emoji. files_per_second: of
    files of these kinds (`Media.shown_as`) fewer go than account_per_second says.
    cards_most: how many contact cards go in one send. cards_need_phone: it takes none of who has no telephone number.
    signals: the kinds that it has, each with the seconds in which one about the same thing is enough.
    contents_at: in place of contents what addresses that begin so take, such as groups; those are shown no choices (`at`).
    shown: by how a file is meant to be shown (`Media.shown_as`), the media types that people see so, each with the size up to
    which they do. What is meant so and is none of these is converted; of other kinds nothing is.
    codecs: of media types that hold several, those that it takes (`media_codecs`); what holds another is converted.
    window: when the account may write to a person. people_per_day: to so many its broadcasts write within a day; 0: as many as
    the provider says of the account.
    """

    text_length: int
    account_per_second: float
    recipient_interval_s: float
    recipient_burst: int
    echoes_reference: bool
    receipts: frozenset[str]
    text_unit: str = "characters"
    bare_receipts: bool = False
    file_bytes: dict[str, int] = {}
    upload_bytes: dict[str, int] = {}
    caption_length: int = 1024
    contents: frozenset[str] = frozenset()
    choices: dict[str, ChoiceLimits] = {}
    quotes: bool = False
    reactions: frozenset[str] = frozenset()
    files_per_second: dict[str, float] = {}
    cards_most: int = 100
    recipient_paces: dict[str, tuple[float, int]] = {}
    cards_need_phone: bool = False
    signals: dict[str, float] = {}
    contents_at: dict[str, frozenset[str]] = {}
    shown: dict[str, dict[str, int]] = {}
    codecs: dict[str, frozenset[str]] = {}
    window: WindowRule = ALWAYS
    people_per_day: int = 0

    def at(self, address: str) -> "Limits":
        """What is allowed towards this address, or towards all that begin like this (`kind_of`)."""
        beginning = self.kind_of(address)
        return replace(self, contents=self.contents_at[beginning], choices={}) if beginning else self

    def kind_of(self, address: str) -> str:
        """Which beginning of contents_at it has; empty: none."""
        return next((each for each in self.contents_at if address.startswith(each)), "")

    def cost(self, content: Content) -> float:
        """How many sends of account_per_second this one counts as: an album as many as it has files."""
        if isinstance(content, Album):
            return sum(map(self.cost, content.items))
        if not self.files_per_second or not isinstance(content, Media):
            return 1.0
        rate = self.files_per_second.get(content.shown_as, self.account_per_second)
        return max(1.0, self.account_per_second / rate)

    def carries(self, content: Content) -> bool:
        """Whether the channel carries this as it is: by its kind, of a reaction its emoji, of cards what they hold.

        Choices are `choices`.
        """
        if isinstance(content, ContactCards) and self.cards_need_phone and not all(each.phones for each in content.cards):
            return False
        if isinstance(content, Reaction) and self.reactions and content.emoji:
            return "reaction" in self.contents and content.emoji.strip(VARIATION) in self.reactions
        return type_of(content) in self.contents

    def measure(self, text: str) -> int:
        """The length of `text` in `text_unit`."""
        return len(text.encode()) if self.text_unit == "bytes" else len(text)

    def takes(self, mime_type: str, size: int, caption: str) -> bool:
        """Whether the provider takes this file with these words in some way; else it goes as a text with a link."""
        fits = self.takes_upload(mime_type, size) or self.takes_link(mime_type, size)
        return fits and self.measure(caption) <= self.caption_length

    def takes_upload(self, mime_type: str, size: int) -> bool:
        """Whether it takes the file's bytes."""
        return size <= _most(self.upload_bytes, mime_type)

    def takes_link(self, mime_type: str, size: int) -> bool:
        """Whether it fetches the file from a link."""
        return size <= _most(self.file_bytes, mime_type)


def _most(sizes: dict[str, int], mime_type: str) -> int:
    fitting = [each for each in sizes if mime_type.startswith(each)]
    return sizes[max(fitting, key=len)] if fitting else -1


class ErrorLine(Struct, frozen=True):
    """What one of the provider's errors means. `words`: a part of what it says, where codes alone do not tell them apart.

    `wait`: how long to keep away when the provider does not say, in seconds. `tries`: as of `failures.Temporary`.
    """

    code: int
    kind: type[Failure]
    reason: str
    subcode: int = 0
    words: str = ""
    wait: float = 0.0
    tries: int = 0


class Account(Struct, frozen=True):
    """Whom a channel sends as. `real` is False for the simulator: load tests refuse to run where it is True."""

    account_id: str
    real: bool


class Finding(Struct, frozen=True):
    """Something that is wrong with an account, as a code, in words for people, and how it is mended; never a secret.

    `fatal`: the credentials are not those of this account, or the provider does not accept them.
    """

    code: str
    said: str
    mend: str
    fatal: bool = False


class Examined(Struct, frozen=True):
    """What the provider says of an account, in a line for people, and what is wrong. Nothing fatal: it confirmed them.

    `notes`: what else it says, by name (chat4all/model/account_health.py).
    """

    said: str
    findings: tuple[Finding, ...] = ()
    notes: dict[str, str] = {}


class Renewed(Struct, frozen=True):
    """Credentials in place of those that end, and until when they are good (ms UTC)."""

    credentials: dict[str, str]
    until: int


class Outgoing(Struct, frozen=True):
    """One send. `reference` is ours, at most 256 characters, and is echoed in receipts where the provider can.

    `reply_to`: the provider's id of the message that it quotes, where `limits.quotes`. `targets`: those of what a reaction, an
    edit or a deletion is about. Both as this very person knows the message; empty: they do not. `as_human`: it goes after the
    window, as what a person writes.
    """

    address: str
    text: str
    reference: str
    reply_to: str = ""
    targets: tuple[str, ...] = ()
    as_human: bool = False


class Taken(str):
    """The provider's id of what it took. `names`: what its answer calls the address, the address itself perhaps among them.

    `uploaded`: what it calls the file whose bytes the send carried, to be named in the next; of an album `each_uploaded`, by
    the order of its items. Of what became several messages there the ids are written as one (`deliveries.together`).
    """

    __slots__ = ("each_uploaded", "names", "uploaded")
    names: tuple[str, ...]
    uploaded: Uploaded | None
    each_uploaded: tuple[Uploaded | None, ...]

    def __new__(
        cls,
        provider_id: str,
        names: tuple[str, ...] = (),
        uploaded: Uploaded | None = None,
        each_uploaded: tuple[Uploaded | None, ...] = (),
    ) -> "Taken":
        """An id with these names."""
        taken = super().__new__(cls, provider_id)
        taken.names, taken.uploaded, taken.each_uploaded = names, uploaded, each_uploaded
        return taken


class Inbound(Struct, frozen=True, omit_defaults=True):
    """A person wrote. `account` is who was written to. `reply_to` is the provider id of the message they answered.

    What the channel does not understand is given as text that says so; `sender_name` is what the address calls itself.
    `also_known_as` is a second address of the same person, where the provider gives two.
    `media`: a file to fetch with the channel (Files), as the provider names it. A message with several is several of these.
    `speaker`, `speaker_id`: who of those that share the address wrote, where it is a group's. `edits`: the provider id of the
    message whose words these replace; they begin with "[edited] ". `is_echo`: the account itself wrote to the address, in the
    provider's own app or with somebody else's. `referral`: the ad, post, product or link that they came from, in the
    provider's names.
    `content`: what it is, where it is more than words and a file; `text` then are the words that stand for it. Its `target`
    is left empty: `about` is the provider id of what a reaction, an edit, a deletion or an answer points at. `option`: what
    came back of a choice that was sent (`option_tokens`). `kind`: how the media is meant (`Media.kind`). `forwarded`: the
    person passes on what somebody else wrote. `raw`: what the provider sent of it, where there was no type for it.
    `press`: the button that was pressed waits for the signal `pressed` about this. `group`: what the messages of one album have
    in common, as the provider calls it: an id of its own, or the id of the message that held all of them. `is_history`: it was
    written before the account was connected, and nobody is to act on it now: it goes out to nobody and opens no window.
    `is_where_target_is`: the provider does not say where it was said, but that is where the message went that it is `about`;
    `address` is where it was said if nobody knows that message.
    """

    channel: str
    account: str
    provider_id: str
    address: str
    text: str
    at: int
    sender_name: str = ""
    reply_to: str = ""
    also_known_as: str = ""
    media: str = ""
    mime_type: str = ""
    filename: str = ""
    speaker: str = ""
    speaker_id: str = ""
    edits: str = ""
    is_echo: bool = False
    referral: dict[str, str] = {}
    content: Content | None = None
    about: str = ""
    option: str = ""
    kind: str = ""
    forwarded: bool = False
    raw: bytes = b""
    press: str = ""
    group: str = ""
    is_history: bool = False
    is_where_target_is: bool = False

    @property
    def places(self) -> list[tuple[str, str]]:
        """The person's addresses, each (channel, address), the one written from first."""
        return [(self.channel, each) for each in dict.fromkeys((self.address, self.also_known_as)) if each]


class Moved(Struct, frozen=True):
    """Whoever had this address has another one from now on: a new number, or a group with a new id."""

    channel: str
    account: str
    address: str
    to: str


class Named(Struct, frozen=True):
    """One person has these addresses, a provider says beside something else: a number, and the ids that it gives them.

    `name`: what the account's own address book calls them; then they are a contact, whether they ever wrote or not.
    """

    channel: str
    addresses: tuple[str, ...]
    name: str = ""

    @property
    def places(self) -> list[tuple[str, str]]:
        """The addresses, each (channel, address)."""
        return [(self.channel, each) for each in self.addresses]


class Consented(Struct, frozen=True):
    """Somebody said in the provider's app, at this time, whether they want what they did not ask for."""

    channel: str
    account: str
    addresses: tuple[str, ...]
    granted: bool
    at: int

    @property
    def places(self) -> list[tuple[str, str]]:
        """The addresses, each (channel, address)."""
        return [(self.channel, each) for each in self.addresses]


class Reached(Struct, frozen=True):
    """A person blocked the account, a group threw it out (`why` blocked, gone), or either takes it back (empty), at a time."""

    channel: str
    account: str
    address: str
    why: str
    at: int


class Fetch(Struct, frozen=True):
    """Something to GET. The headers may hold a secret."""

    url: str
    headers: dict[str, str] = {}


class Unreadable(Struct, frozen=True):
    """A part of a webhook that made no sense. The whole webhook is kept in a dead letter; the other parts go on."""

    reason: str


class Unclaimed(Struct, frozen=True):
    """A part for an account that is not ours, signed by an app that is. Kept in a dead letter until the account is."""

    account: str


class Aside(Struct, frozen=True):
    """Nothing for a conversation, and nothing to keep. kind is passed_over (known, and no message) or provider_error."""

    kind: str
    reason: str


Update = (
    Inbound
    | ProviderReceipt
    | Moved
    | Named
    | Consented
    | Reached
    | TemplateChange
    | Unreadable
    | Unclaimed
    | Aside
    | AccountNews
)


class Channel(ABC):
    """One account on one provider. The webhook half does no I/O; the sending half is used on one asyncio loop.

    `name` is as in the API and the table. `limits` are the provider's on the class; on the object they are the account's:
    hardly any pacing on the simulator, and what the environment says. `polls`: nothing comes by webhook, `poll` brings it.
    `media_from`: where its files may be fetched; nowhere, unless it says so. `retries`: how its sends are tried again;
    None: as the deployment's settings say. `features`: what the provider granted the environment's account, of what it
    may grant: `own_features`. `forwarded_headers`: of its webhooks, in small letters, those in which no secret is:
    they are sent on with the webhook. `carries_bytes`: its sends carry the bytes of a file; nothing is uploaded before.
    `errors`: what the provider's errors mean. `late`: reasons that pass, each with how long after a receipt that says so the
    message is sent again, in seconds; every other receipt that says `failed` ends it.
    """

    name: ClassVar[str]
    errors: ClassVar[tuple[ErrorLine, ...]] = ()
    late: ClassVar[Mapping[str, float]] = MappingProxyType({})
    limits: Limits
    account: Account
    retries: RetryPolicy | None = None
    features: frozenset[str] = frozenset()
    polls: bool = False
    media_from: Allowed = Allowed()
    own_features: ClassVar[frozenset[str]] = frozenset()
    carries_bytes: ClassVar[bool] = False
    forwarded_headers: ClassVar[frozenset[str]] = frozenset({"content-type"})

    @property
    def app(self) -> str:
        """What signs its webhooks, as a digest: accounts with the same one are told of in one webhook."""
        return ""

    @abstractmethod
    def address(self, text: str) -> str:
        """The one way to write this address. ValueError that says what is wrong and shows a right one."""

    @abstractmethod
    def challenge(self, query: Mapping[str, str]) -> str | None:
        """The answer to the provider's check of the webhook's address (GET), or None when the query is not the provider's."""

    @abstractmethod
    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this webhook is the provider's: over the raw body, in constant time. `headers` has lower-case names."""

    @abstractmethod
    def read_webhook(self, body: bytes) -> Sequence[Update]:
        """What a signed webhook says, in its order. Never raises: what cannot be read is `Unreadable`, the rest is given.

        Tolerant by field: a message arrives where its sender, its id and its words can be read. Two events never get one id.
        """

    def by_account(self, body: bytes, known: Container[str]) -> dict[str, bytes]:
        """A webhook shared out: what it says to each account, by the provider's id, as a webhook of that account's own.

        What names none is this account's. `known`: the accounts of its app; of several that one thing may be about it is one
        of these. Never raises. Where it says something to one account only, it stays as it is.
        """
        return {self.account.account_id: body}

    @abstractmethod
    async def check(self) -> str:
        """Ask the provider whom the credentials speak for. Changes nothing. One line for people; raises as `connect`."""

    async def examine(self, webhook_url: str) -> Examined:
        """Ask the provider about everything that must be right before messages come and go. Changes nothing.

        `webhook_url`: where our webhook is, "" without a public address. Raises as `connect` what says nothing of the account.
        """
        return Examined(await self.check())

    async def renew(self) -> Renewed | None:
        """Credentials that end later; None: these do not end, or nobody renews them. Raises as `connect`."""
        return None

    @abstractmethod
    async def connect(self, webhook_url: str) -> str:
        """Check the credentials and, where the provider lets us, set the webhook. One line for people.

        Permanent when the provider refuses us; Temporary when it cannot be reached.
        """

    @abstractmethod
    async def send_text(self, message: Outgoing) -> str:
        """Send, and return the provider's id of it. One request, no retries, within the provider call limit.

        Temporary: certainly not sent, try later. Throttled: the same, not before retry_after. Permanent: never.
        Unknown: the request left and its outcome is not known.
        """

    @abstractmethod
    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        """Send a file, with `message.text` as its caption. As `send_text`; within `source.seconds` where it carries a Body.

        Only what `limits.takes`: for all else the core sends a text with a link. `source` is Uploaded as `upload` gave it, or
        a Body where `carries_bytes`; else a FileLink.
        """

    async def send_album(self, message: Outgoing, items: Sequence[Media], sources: Sequence[MediaSource]) -> str:
        """Send files in one call, with `message.text` as the caption of all: 2 to 10, all of one `album_group`.

        As `send_file`; `sources` by the order of the items. Where the provider makes several messages of them, the answer has
        all their ids (`deliveries.together`). All arrive, or none.
        """
        raise NotImplementedError(f"{self.name} sends no albums")

    def album_group(self, file: Media) -> str:
        """With which others one send carries it: with those of the same group. Empty: each goes alone. Pure."""
        return ""

    def shown_as(self, file: Media) -> str:
        """What an upload of this file is told to be, and the name that people see of it: `UploadPlace.shown_as`."""
        return f"{file.shown_as} {file.filename}"

    async def upload(self, file: Media, body: Body) -> Uploaded:
        """Give the provider the bytes, to be named in sends. Only what `limits.takes_upload`, and unless `carries_bytes`.

        One request, within `body.seconds`. It reaches nobody, and may be repeated. Raises as `send_text`.
        """
        raise NotImplementedError(f"{self.name} takes no uploads")

    async def send_content(self, message: Outgoing, content: Content) -> str:
        """Send what is neither words nor a file. As `send_text`; only kinds of `limits.contents`, within their limits."""
        raise NotImplementedError(f"{self.name} carries no {type_of(content)}")

    async def signal(self, address: str, kind: str, about: str) -> None:
        """Show something in passing (`model.signals`); only kinds of `limits.signals`. One call, which is not repeated.

        Raises as `send_text`; Permanent also where there is no such thing at this address, or without what it is about.
        """
        raise NotImplementedError(f"{self.name} has no signal {kind}")

    async def templates(self, limit: int, after: str, name: str) -> TemplatePage:
        """Some of the account's templates: those called `name`, or all. Raises as `connect`; Permanent where there are none."""
        raise Permanent("not_supported", f"{self.name} has no templates")

    async def create_template(self, wanted: AccountTemplate) -> AccountTemplate:
        """Ask the provider to approve one. As `templates`; Permanent `template_invalid` says what is wrong with it."""
        raise Permanent("not_supported", f"{self.name} has no templates")

    async def delete_template(self, name: str, language: str) -> bool:
        """Delete one; False when there is none. As `templates`."""
        raise Permanent("not_supported", f"{self.name} has no templates")

    def media_lookup(self, media: str) -> Fetch | None:
        """What to ask the provider before `Inbound.media` can be fetched; None: nothing. Does no I/O."""
        return None

    def media_place(self, media: str, answer: bytes) -> Fetch:
        """Where the bytes of `Inbound.media` are, by the answer to the lookup. Does no I/O. Permanent `media`: nowhere."""
        return Fetch(media)

    async def poll(self) -> Sequence[bytes]:
        """Where `polls`: the next updates, each as a webhook would bring it, or none after some seconds.

        Temporary when the provider does not answer.

        Calling it again acknowledges what the last call gave: only when that is durable. One caller at a time.
        """
        raise NotImplementedError(f"{self.name} sends webhooks")

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections. Safe to call twice, and without `connect`."""
