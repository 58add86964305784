"""What Instagram and Messenger share: the "messaging" webhooks of Meta's messaging platform, and its Send API."""

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct
from yarl import URL

from chat4all.channels import graph
from chat4all.channels.accounts import Pacing, load, reached, require
from chat4all.channels.graph import Verdict
from chat4all.channels.http import Http
from chat4all.channels.times import now
from chat4all.failures import Unknown
from chat4all.messages import File
from chat4all.ports import Account, Channel, Inbound, Outgoing, Unreadable, Update
from chat4all.records import ProviderReceipt
from chat4all.settings import Settings

MB = 1 << 20
# All other kinds name a page, not a file: nobody fetches it.
MEDIA = frozenset({"image", "video", "audio", "file", "story_mention"})
SCOPED_ID = re.compile(r"\d{5,25}")


class MessagingSettings(Pacing):
    """What both need: an account and its app. Without the token the channel talks to the simulator."""

    token: str = ""
    account_id: str = ""
    app_secret: str = ""
    verify_token: str = ""
    api_url: str = ""
    api_version: str = graph.GRAPH_VERSION


class _Party(Struct, frozen=True):
    id: str


class _Mid(Struct, frozen=True):
    mid: str = ""


class Attachment(Struct, frozen=True):
    """A file or a card; only files have a url."""

    type: str = "unknown"
    payload: dict[str, Any] | None = None


class Message(Struct, frozen=True):
    """The inside of a message event. `metadata` is what we sent, in an echo of Messenger."""

    mid: str
    text: str = ""
    attachments: list[Attachment] = []
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    reply_to: _Mid | None = None
    metadata: str = ""


class _Reaction(Struct, frozen=True):
    mid: str
    action: str = "react"
    emoji: str = ""
    reaction: str = ""


class _Postback(Struct, frozen=True):
    title: str = ""
    mid: str = ""


class Delivery(Struct, frozen=True):
    """Messages that reached the person. Messenger only, and without mids where a client is old."""

    mids: list[str] = []


class Event(Struct, frozen=True):
    """One event; exactly one of the parts says what it is."""

    sender: _Party
    recipient: _Party
    timestamp: int = 0
    message: Message | None = None
    read: _Mid | None = None
    delivery: Delivery | None = None
    reaction: _Reaction | None = None
    postback: _Postback | None = None


class _Sent(Struct, frozen=True):
    message_id: str


_encode = msgspec.json.Encoder().encode
_event = msgspec.json.Decoder(Event).decode
_sent = msgspec.json.Decoder(_Sent).decode
_profile = msgspec.json.Decoder(dict[str, Any]).decode


class MessagingChannel(Channel):
    """One account on Meta's messaging platform. A subclass says where, with which limits, and what receipts mean.

    `fields`: the webhook fields to subscribe to. `verdicts`: its error codes.
    """

    verdicts: ClassVar[Mapping[int | tuple[int, int], Verdict]]
    fields: ClassVar[str]
    real_url: ClassVar[str]
    simulated_account: ClassVar[str]
    own_settings: ClassVar[type[MessagingSettings]]

    def __init__(self, settings: Settings) -> None:
        own = load(self.own_settings)
        real = bool(own.token)
        if real:
            require(own, "account_id", "app_secret", "verify_token")
        self._app_secret = own.app_secret or settings.secret(f"{self.name}_app_secret")
        self._verify_token = own.verify_token or settings.secret(f"{self.name}_verify_token")
        self.account = Account(own.account_id or self.simulated_account, real)
        self.limits = own.limits(type(self).limits, real)
        base = own.api_url or (self.real_url if real else f"{settings.simulator_url}/{self.name}")
        self.media_from = reached(real, own.api_url, base, graph.MEDIA_HOSTS)
        self._account_url = URL(f"{base}/{own.api_version}/{self.account.account_id}")
        self._messages = self._account_url / "messages"
        token = own.token or settings.secret(f"{self.name}_token")
        self._http = Http(settings.provider_timeout_s, {"Authorization": f"Bearer {token}"})

    def address(self, text: str) -> str:
        """The id that the platform gave this person towards this account: digits."""
        written = text.strip()
        if not SCOPED_ID.fullmatch(written):
            raise ValueError(f"an address on {self.name} is the number that the platform gave the person, such as 17841400001")
        return written

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Meta's hub.challenge."""
        return graph.challenge(self._verify_token, query)

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Meta's X-Hub-Signature-256."""
        return graph.is_signed(self._app_secret, headers, body)

    def read_webhook(self, body: bytes) -> Sequence[Update]:
        """Every event of every entry that can be read."""
        found: list[Update] = []
        for each in graph.told(body):
            found.extend([each] if isinstance(each, Unreadable) else self._read_event(each))
        return found

    def _read_event(self, raw: Raw) -> Iterable[Update]:
        try:
            event = _event(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return [Unreadable("event")]
        if self.account.account_id not in (event.sender.id, event.recipient.id):
            return [Unreadable("another account")]
        return self._told(event)

    def _told(self, event: Event) -> Iterable[Update]:
        if event.message is not None:
            message = event.message
            return self.echoed(event, message) if message.is_echo else [self._said(event, message)]
        if event.reaction is not None:
            return [self._reacted(event, event.reaction)]
        if event.postback is not None:
            return [self._pressed(event, event.postback)]
        return self.receipts(event)

    @abstractmethod
    def echoed(self, event: Event, message: Message) -> Iterable[Update]:
        """What our own message, told back to us, says."""

    @abstractmethod
    def receipts(self, event: Event) -> Iterable[Update]:
        """What an event that nobody wrote says: a receipt, or nothing that we know."""

    def receipt(self, mid: str, kind: str, at: int, reference: str = "") -> ProviderReceipt:
        """A receipt for the message of this id."""
        return ProviderReceipt(
            channel=self.name,
            account=self.account.account_id,
            provider_id=mid,
            kind=kind,
            at=at or now(),
            reference=reference,
        )

    def _said(self, event: Event, message: Message) -> Inbound:
        media = next(filter(None, map(_file, message.attachments)), "")
        words = [f"[{each.type[:40]}]" for each in message.attachments]
        if message.is_deleted:
            words.append("[took a message back]")
        if message.is_unsupported:
            words.append("[a kind of message that is not supported here]")
        if message.text:
            words.append(message.text)
        reply_to = message.reply_to.mid if message.reply_to else ""
        # A message taken back comes under the same mid as the message itself; it is news of its own.
        mid = f"{message.mid}:deleted" if message.is_deleted else message.mid
        return self._inbound(event, mid, " ".join(words) or "[empty message]", reply_to, media)

    def _reacted(self, event: Event, reaction: _Reaction) -> Inbound:
        what = reaction.emoji or reaction.reaction or "?"
        text = f"[reaction] {what}" if reaction.action == "react" else "[reaction] taken back"
        return self._inbound(event, f"{reaction.mid}:{reaction.action}:{event.timestamp}", text, reaction.mid)

    def _pressed(self, event: Event, postback: _Postback) -> Inbound:
        mid = postback.mid or f"postback:{event.sender.id}:{event.timestamp}"
        return self._inbound(event, mid, postback.title or "[button]")

    def _inbound(self, event: Event, mid: str, text: str, reply_to: str = "", media: str = "") -> Inbound:
        return Inbound(
            channel=self.name,
            account=self.account.account_id,
            provider_id=mid,
            address=event.sender.id,
            text=text,
            at=event.timestamp or now(),
            reply_to=reply_to,
            media=media,
        )

    async def connect(self, webhook_url: str) -> str:
        """Ask who the token speaks for, and subscribe to the webhook fields. The address is set in Meta's console."""
        answer = await self._http.get(self._account_url.with_query(fields="id,name,username"))
        if answer.status != 200:
            raise graph.refusal(answer, self.verdicts)
        profile = _profile(answer.body)
        fields = self._account_url / "subscribed_apps" % {"subscribed_fields": self.fields}
        answer = await self._http.post(fields, b"{}")
        if answer.status != 200:
            raise graph.refusal(answer, self.verdicts)
        name = profile.get("username") or profile.get("name") or self.account.account_id
        where = f"webhook to set in Meta's console: {webhook_url}" if webhook_url else "no public address for a webhook"
        return f"{self.name} {name}; subscribed to {self.fields}; {where}"

    async def send_text(self, message: Outgoing) -> str:
        """A text."""
        return await self._send(message, {"text": message.text})

    async def send_file(self, message: Outgoing, file: File, url: str) -> str:
        """A file by its link. There are no captions: with words, the link goes into their text, for a send is one call."""
        if message.text:
            return await self._send(message, {"text": f"{message.text}\n{url}"})
        kind = file.mime_type.partition("/")[0]
        kind = kind if kind in {"image", "audio", "video"} else "file"
        return await self._send(message, {"attachment": {"type": kind, "payload": {"url": url}}})

    def envelope(self, message: Outgoing, content: dict[str, Any]) -> dict[str, Any]:
        """The body of a send."""
        return {"recipient": {"id": message.address}, "message": content}

    async def _send(self, message: Outgoing, content: dict[str, Any]) -> str:
        answer = await self._http.post(self._messages, _encode(self.envelope(message, content)))
        if answer.status != 200:
            raise graph.failure(answer, self.verdicts)
        try:
            return _sent(answer.body).message_id
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Unknown("unreadable_answer", f"HTTP {answer.status}") from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def _file(attachment: Attachment) -> str:
    if attachment.type not in MEDIA:
        return ""
    url = (attachment.payload or {}).get("url", "")
    return url if isinstance(url, str) else ""
