"""What Instagram and Messenger share: the "messaging" webhooks of Meta's messaging platform, and its Send API."""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct
from yarl import URL

from chat4all.channels import messaging_inbound, messaging_media, messaging_outbound, meta, meta_checks
from chat4all.channels.account_settings import AccountSettings, load, reached, require
from chat4all.channels.http import Answer, Http
from chat4all.channels.json_fields import fields, ident, words
from chat4all.channels.meta import Verdict
from chat4all.channels.provider_times import at_ms, is_time
from chat4all.channels.webhook_address import address_findings
from chat4all.model.content import Choices, Content, Media, Reaction
from chat4all.model.failures import Unknown
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Account, Aside, Examined, Inbound, MediaSource, Outgoing, Taken, Unreadable, Update, accounts
from chat4all.settings import Settings

MB = 1 << 20
HUMAN_AGENT = "HUMAN_AGENT"
SCOPED_ID = re.compile(r"[1-9][0-9]{4,24}")
# Known events that say nothing in a conversation.
PASSED_OVER = (
    "read", "delivery", "optin", "account_linking", "pass_thread_control", "take_thread_control", "request_thread_control",
    "app_roles", "policy_enforcement", "game_play", "payment", "pre_checkout", "checkout_update", "typing",
)  # fmt: skip


class MessagingSettings(AccountSettings):
    """What both need: an account and its app. Without the token the channel talks to the simulator."""

    credentials = ("token", "account_id", "app_secret", "verify_token")
    needed = credentials
    of_app = ("app_secret", "verify_token")
    verifies = ("app_secret",)
    names_account = "account_id"

    token: str = ""
    account_id: str = ""
    app_secret: str = ""
    verify_token: str = ""
    api_url: str = ""
    api_version: str = meta.GRAPH_VERSION
    human_agent: bool = False


class Event(Struct, frozen=True):
    """One event, as far as it could be read. `entry`: the account that its entry names. `at`: ms UTC."""

    parts: dict[str, Any]
    sender: str
    recipient: str
    entry: str
    at: int

    def part(self, name: str) -> dict[str, Any]:
        """This part of it, empty where it has none."""
        return fields(self.parts, name)

    @property
    def is_echo(self) -> bool:
        """Whether the account itself wrote it."""
        return self.part("message").get("is_echo") is True or (self.sender != "" and self.sender == self.entry)

    @property
    def accounts(self) -> set[str]:
        """Whom it may be about: by its own word, or the entry's."""
        return {self.sender if self.is_echo else self.recipient, self.entry} - {""}

    @property
    def person(self) -> str:
        """The other side."""
        return self.recipient if self.is_echo else self.sender

    @property
    def mark(self) -> str:
        """What tells it from the person's other events of its kind, where it has no id: when it was, and all that it says."""
        digest = hashlib.sha256(msgspec.json.encode(self.parts, order="deterministic")).hexdigest()[:12]
        return f"{self.at}:{digest}" if is_time(self.parts.get("timestamp")) else digest


def _event(item: meta.WebhookItem) -> Event:
    return Event(
        parts=item.what,
        sender=ident(fields(item.what, "sender").get("id")),
        recipient=ident(fields(item.what, "recipient").get("id")),
        entry=item.entry,
        at=at_ms(item.what.get("timestamp")),
    )


_encode = msgspec.json.Encoder().encode


class MessagingChannel(meta.MetaChannel):
    """One account on Meta's messaging platform. A subclass says where, with which limits, and what receipts mean.

    `fields`: the webhook fields to subscribe to. `verdicts`: its error codes. `documents`: files of any type may go as such.
    `scopes`: what a token must be allowed, where Meta tells that of one.
    """

    verdicts: ClassVar[Mapping[int | tuple[int, int], Verdict]]
    fields: ClassVar[str]
    real_url: ClassVar[str]
    simulated_account: ClassVar[str]
    own_settings: ClassVar[type[MessagingSettings]]
    documents: ClassVar[bool] = True
    scopes: ClassVar[tuple[str, ...]] = ()
    own_features: ClassVar[frozenset[str]] = frozenset({accounts.HUMAN_AGENT})

    def __init__(self, settings: Settings, given: Mapping[str, str] | None = None) -> None:
        own = load(self.own_settings, given)
        real = bool(own.token)
        if real:
            require(own, "account_id", "app_secret", "verify_token")
        self._app_secret = own.app_secret or settings.secret(f"{self.name}_app_secret")
        self._verify_token = own.verify_token or settings.secret(f"{self.name}_verify_token")
        self.account = Account(own.account_id or self.simulated_account, real)
        self.limits = own.limits(type(self).limits, real, settings.simulated_windows)
        self.retries = own.retries(settings.retry_policy)
        self.features = frozenset({accounts.HUMAN_AGENT}) if own.human_agent else frozenset()
        base = own.api_url or (self.real_url if real else f"{settings.simulator_url}/{self.name}")
        self.media_from = reached(real, own.api_url, base, meta.MEDIA_HOSTS)
        self._account_url = URL(f"{base}/{own.api_version}/{self.account.account_id}")
        self._messages = self._account_url / "messages"
        self._token = own.token or settings.secret(f"{self.name}_token")
        self._http = Http(settings.provider_timeout_s, {"Authorization": f"Bearer {self._token}"})

    def address(self, text: str) -> str:
        """The id that the platform gave this person towards this account: digits."""
        written = text.strip()
        if not SCOPED_ID.fullmatch(written):
            raise ValueError(f"an address on {self.name} is the number that the platform gave the person, such as 17841400001")
        return written

    def account_of(self, item: meta.WebhookItem, known: Container[str]) -> str:
        """This account, where it may be about that too; what names nobody is its as well."""
        event, own = _event(item), self.account.account_id
        return min(event.accounts or {own}, key=lambda each: (each not in known, each != own, each != event.entry))

    def read_item(self, item: meta.WebhookItem) -> Iterable[Update]:
        """The updates in one event."""
        event = _event(item)
        if not SCOPED_ID.fullmatch(event.person):
            return [Unreadable("event")]
        if event.accounts and self.account.account_id not in event.accounts:
            return meta.of_another(min(event.accounts, key=lambda each: each != event.entry), self._reports(event))
        return self._reports(event)

    def _reports(self, event: Event) -> Iterable[Update]:
        if event.is_echo and event.part("message"):
            return self.echoed(event, event.part("message"))
        if event.part("message"):
            return messaging_inbound.said(event, event.part("message"), self._inbound)
        for name, tell in messaging_inbound.READERS.items():
            if event.part(name):
                return [tell(event, event.part(name), self._inbound)]
        return self.receipts(event) or [self._aside(event)]

    def _aside(self, event: Event) -> Update:
        known = next((each for each in PASSED_OVER if each in event.parts), "")
        return Aside("passed_over", known) if known else Unreadable("unknown event")

    @abstractmethod
    def echoed(self, event: Event, message: dict[str, Any]) -> Iterable[Update]:
        """What a message that the account itself sent, told back to us, says."""

    @abstractmethod
    def receipts(self, event: Event) -> Sequence[Update]:
        """The receipts in an event that nobody wrote."""

    def receipt(self, mid: str, kind: str, at: int, reference: str = "") -> ProviderReceipt:
        """A receipt for the message of this id."""
        return ProviderReceipt(
            channel=self.name,
            account=self.account.account_id,
            provider_id=mid,
            kind=kind,
            at=at,
            reference=reference,
        )

    def _inbound(self, event: Event, mid: str, text: str, **more: Any) -> Update:
        if not mid:
            return Unreadable("event")
        return Inbound(
            channel=self.name,
            account=self.account.account_id,
            provider_id=mid,
            address=event.person,
            text=text,
            at=event.at,
            is_echo=event.is_echo,
            **more,
        )

    async def check(self) -> str:
        """Whom the token speaks for."""
        answer = await self._http.get(self._account_url.with_query(fields="id,name,username"))
        if answer.status != 200:
            raise meta.refusal(answer, self.verdicts)
        return self._described(answer)

    async def examine(self, webhook_url: str) -> Examined:
        """The account, its token, its app and our address."""
        answer = await self._http.get(self._account_url.with_query(fields="id,name,username"))
        if answer.status != 200:
            return Examined("", (meta_checks.refusal(answer, self.verdicts),))
        scopes = await meta_checks.debugged(self._http, self._account_url.parent, self._token) if self.scopes else {}
        found = meta_checks.lacking(scopes, self.scopes)
        found += await meta_checks.secret_findings(self._http, self._account_url, self._token, self._app_secret)
        apps = await self._http.get(self._account_url / "subscribed_apps")
        found += meta_checks.subscribed_findings(apps, ident(scopes.get("app_id")), "messages")
        return Examined(self._described(answer), (*found, *address_findings(webhook_url)), meta_checks.until(scopes))

    def _described(self, answer: Answer) -> str:
        profile = meta_checks.said(answer)
        name = words(profile.get("username")) or words(profile.get("name")) or self.account.account_id
        return f"{self.name} {name}"

    async def connect(self, webhook_url: str) -> str:
        """Ask whom the token speaks for, and subscribe to the webhook fields. The address is set in Meta's console."""
        name = await self.check()
        fields = self._account_url / "subscribed_apps" % {"subscribed_fields": self.fields}
        answer = await self._http.post(fields, b"{}")
        if answer.status != 200:
            raise meta.refusal(answer, self.verdicts)
        where = f"webhook to set in Meta's console: {webhook_url}" if webhook_url else "no public address for a webhook"
        return f"{name}; subscribed to {self.fields}; {where}"

    async def send_text(self, message: Outgoing) -> Taken:
        """A text."""
        return await self._send(message, {"text": message.text})

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> Taken:
        """A file alone, for there are no captions: words beside it are a part of their own."""
        payload = messaging_media.payload(source)
        return await self._send(
            message, {"attachment": {"type": messaging_media.kind_of(file, self.documents), "payload": payload}}
        )

    async def send_content(self, message: Outgoing, content: Content) -> str:
        """Choices, and what the account feels about a message: there it has one reaction, the newest."""
        if isinstance(content, Choices):
            return await self._send(message, messaging_outbound.choices_message(content, message.reference))
        if isinstance(content, Reaction):
            return await self._react(message, content)
        return await super().send_content(message, content)

    async def signal(self, address: str, kind: str, about: str) -> None:
        """That somebody types, for some twenty seconds, or that all was seen."""
        body = {"recipient": {"id": address}, "sender_action": messaging_outbound.SIGNAL_ACTIONS[kind]}
        meta.success(await self._http.post(self._messages, _encode(body)), self.verdicts)

    def reaction_name(self, emoji: str) -> str:
        """What the platform calls a reaction."""
        return emoji

    async def _react(self, message: Outgoing, reaction: Reaction) -> Taken:
        """Actions get no id; the one that is made here is given to no other."""
        mid = message.targets[0]
        action = messaging_outbound.reaction_action(reaction, mid, self.reaction_name(reaction.emoji))
        body = {"recipient": {"id": message.address}, **action}
        answer = await self._http.post(self._messages, _encode(body))
        if not ident(meta.success(answer, self.verdicts).get("recipient_id")):
            raise Unknown("unreadable_answer", f"HTTP {answer.status}")
        return Taken(f"{mid}:{action['sender_action']}:{message.reference}")

    def envelope(self, message: Outgoing, content: dict[str, Any]) -> dict[str, Any]:
        """The body of a send; with a tag where a person writes after the window."""
        tagged = {"messaging_type": "MESSAGE_TAG", "tag": HUMAN_AGENT} if message.as_human else {}
        return {"recipient": {"id": message.address}, **tagged, "message": content}

    async def _send(self, message: Outgoing, content: dict[str, Any]) -> Taken:
        quoted = {"reply_to": {"mid": message.reply_to}} if message.reply_to else {}
        answer = await self._http.post(self._messages, _encode(self.envelope(message, content) | quoted))
        provider_id = ident(meta.success(answer, self.verdicts).get("message_id"))
        if not provider_id:
            raise Unknown("unreadable_answer", f"HTTP {answer.status}")
        return Taken(provider_id)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()
