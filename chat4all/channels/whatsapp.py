"""WhatsApp through Meta's Cloud API. Addresses are "+<digits>" or, for people who show no number, their user id "US.1234"."""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec
import phonenumbers
from msgspec import UNSET, Struct, UnsetType
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from yarl import URL

from chat4all.channels import (
    meta,
    whatsapp_address_book,
    whatsapp_groups,
    whatsapp_history,
    whatsapp_inbound,
    whatsapp_media,
    whatsapp_news,
    whatsapp_preferences,
    whatsapp_sends,
    whatsapp_templates,
    whatsapp_user_ids,
)
from chat4all.channels.account_settings import AccountSettings, load, reached, require
from chat4all.channels.http import Http
from chat4all.channels.json_fields import fields, ident, items, words
from chat4all.channels.meta import Verdict
from chat4all.channels.provider_times import within_second
from chat4all.channels.whatsapp_account import WhatsAppAccount
from chat4all.model.content import Content, Media
from chat4all.model.failures import Permanent, Temporary, Throttled, Unknown
from chat4all.model.records import Cost, ProviderReceipt
from chat4all.model.windows import WindowRule
from chat4all.ports import (
    Account,
    Aside,
    Body,
    Examined,
    Fetch,
    FileLink,
    Limits,
    MediaSource,
    Outgoing,
    Taken,
    Unreadable,
    Update,
    Uploaded,
)
from chat4all.ports.templates import AccountTemplate, TemplatePage
from chat4all.settings import Settings

SIMULATED_NUMBER = "100000000000001"
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
# As people write it there may be digits for calls within the country too.
WRITTEN_NUMBER = re.compile(r"[1-9][0-9]{6,16}")
WRITTEN = str.maketrans("", "", " -().\u00a0")

VERDICTS = meta.COMMON | {
    470: Verdict(Permanent, "outside_window"),
    130429: Verdict(Throttled, "rate_limit", 1.0),
    130472: Verdict(Permanent, "experiment"),
    130497: Verdict(Permanent, "restricted_country"),
    131000: Verdict(Temporary, "provider_error"),
    131005: Verdict(Temporary, "credentials"),
    131008: Verdict(Permanent, "invalid"),
    131009: Verdict(Permanent, "invalid"),
    131016: Verdict(Temporary, "provider_error"),
    131021: Verdict(Permanent, "invalid_recipient"),
    131026: Verdict(Permanent, "undeliverable"),
    131030: Verdict(Permanent, "not_allowed"),
    131031: Verdict(Temporary, "account_blocked"),
    131037: Verdict(Temporary, "name_not_approved"),
    131042: Verdict(Temporary, "payment"),
    131045: Verdict(Temporary, "credentials"),
    131047: Verdict(Permanent, "outside_window"),
    131048: Verdict(Temporary, "spam_limit"),
    131049: Verdict(Permanent, "ecosystem_limit"),
    131050: Verdict(Permanent, "opted_out"),
    131051: Verdict(Permanent, "unsupported"),
    131052: Verdict(Permanent, "media"),
    131053: Verdict(Permanent, "media"),
    131056: Verdict(Throttled, "pair_rate_limit", 6.0),
    131057: Verdict(Temporary, "maintenance"),
    **dict.fromkeys(
        (132000, 132001, 132005, 132007, 132012, 132015, 132016, 132018, 132068, 132069), Verdict(Permanent, "template_invalid")
    ),
    133000: Verdict(Temporary, "credentials"),
    133004: Verdict(Temporary, "provider_error"),
    133006: Verdict(Temporary, "credentials"),
    133010: Verdict(Temporary, "credentials"),
    133015: Verdict(Temporary, "credentials"),
}
# Of a file that Meta was to fetch from our link the same code mostly says that this failed just now.
LINK_VERDICTS = VERDICTS | {131053: Verdict(Temporary, "media", tries=meta.OUTAGE_TRIES)}
# What passes by itself, where a receipt says it later, with the first pause in seconds. That for spam is the longest: Meta
# lifts it when people stop complaining.
LATE = {"provider_error": 60.0, "maintenance": 300.0, "rate_limit": 60.0, "pair_rate_limit": 60.0, "spam_limit": 3600.0}
# Fields of a value that hold something for us.
VALUE_LISTS = ("messages", "message_echoes", "statuses", "calls", "errors")
READ_FIELDS = frozenset({"messages", "smb_message_echoes", "calls"})
# Fields whose values hold lists of their own.
OTHER_FIELDS = frozenset(
    {whatsapp_address_book.FIELD, whatsapp_preferences.FIELD, whatsapp_user_ids.FIELD, *whatsapp_groups.FIELDS}
)
# What Meta tells about the account, its templates and its people's settings: no messages.
ACCOUNT_FIELDS = frozenset({
    "account_alerts", "account_review_update", "account_settings_update", "account_update", "automatic_events",
    "business_capability_update", "business_status_update", "flows", "group_lifecycle_update",
    "group_status_update", "message_template_components_update",
    "message_template_quality_update", "message_template_status_update", "messaging_handovers", "partner_solutions",
    "payment_configuration_update", "phone_number_name_update", "phone_number_quality_update", "security",
    "template_category_update", "template_correct_category_detection", "tracking_events",
})  # fmt: skip
# Of what people wrote; calls and the like have others.
MESSAGE_ID = "wamid."
# How Meta names categories and models of prices.
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
KINDS = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}


Reader = Callable[[dict[str, Any]], Iterable[Update]]


class WhatsAppSettings(AccountSettings):
    """WHATSAPP_…: a business number. Without WHATSAPP_TOKEN the channel talks to the simulator."""

    model_config = SettingsConfigDict(env_prefix="WHATSAPP_", frozen=True, extra="ignore")
    credentials = ("token", "phone_number_id", "app_secret", "verify_token", "business_account_id")
    needed = credentials[:4]
    of_app = ("app_secret", "verify_token")
    verifies = ("app_secret",)
    names_account = "phone_number_id"

    token: str = Field("", description="Access token of a system user.")
    phone_number_id: str = Field("", description="Id of the number that sends, from Meta's console; not the number itself.")
    business_account_id: str = Field("", description="Id of its business account; empty: it is asked for when connecting.")
    app_secret: str = Field("", description="The app's secret; signs webhooks.")
    verify_token: str = Field("", description="What Meta's console asks back when the webhook's address is set.")
    api_url: str = Field("", description="Where the Cloud API is; empty: Meta, or the simulator without a token.")
    api_version: str = Field(meta.GRAPH_VERSION, pattern=r"^v\d+\.\d+$", description="Version of the Graph API.")


class _Text(Struct, frozen=True):
    body: str
    preview_url: bool = True


class _Context(Struct, frozen=True):
    message_id: str


class _Send(Struct, frozen=True):
    type: str
    biz_opaque_callback_data: str
    to: str | UnsetType = UNSET
    recipient: str | UnsetType = UNSET
    text: _Text | UnsetType = UNSET
    image: dict[str, Any] | UnsetType = UNSET
    audio: dict[str, Any] | UnsetType = UNSET
    video: dict[str, Any] | UnsetType = UNSET
    document: dict[str, Any] | UnsetType = UNSET
    sticker: dict[str, Any] | UnsetType = UNSET
    location: dict[str, Any] | UnsetType = UNSET
    contacts: list[dict[str, Any]] | UnsetType = UNSET
    interactive: dict[str, Any] | UnsetType = UNSET
    template: dict[str, Any] | UnsetType = UNSET
    reaction: dict[str, Any] | UnsetType = UNSET
    context: _Context | UnsetType = UNSET
    messaging_product: str = "whatsapp"
    recipient_type: str = "individual"


class _MediaPage(Struct, frozen=True):
    url: str


_encode = msgspec.json.Encoder().encode
_page = msgspec.json.Decoder(_MediaPage).decode


class WhatsApp(meta.MetaChannel):
    """One business number on the Cloud API, or on the simulator."""

    name = "whatsapp"
    own_settings = WhatsAppSettings
    errors = meta.error_lines(VERDICTS)
    late = LATE
    limits = Limits(
        text_length=4096,
        account_per_second=80,
        recipient_interval_s=6,
        recipient_burst=45,
        echoes_reference=True,
        receipts=frozenset({"sent", "delivered", "read", "failed"}),
        file_bytes=whatsapp_media.BY_LINK,
        upload_bytes=whatsapp_media.BY_UPLOAD,
        shown=whatsapp_media.SHOWN_AS,
        codecs=whatsapp_media.CODECS,
        contents=whatsapp_sends.CONTENTS,
        choices=whatsapp_sends.CHOICES,
        quotes=True,
        signals={"typing": 10.0, "read": 60.0},
        # Beside words and files.
        contents_at={whatsapp_inbound.GROUP: frozenset({"template"})},
        window=WindowRule(meta.DAY_S, exempt=frozenset({"template"})),
    )

    def __init__(self, settings: Settings, given: Mapping[str, str] | None = None) -> None:
        own = load(WhatsAppSettings, given)
        real = bool(own.token)
        if real:
            require(own, "phone_number_id", "app_secret", "verify_token")
        self._app_secret = own.app_secret or settings.secret("whatsapp_app_secret")
        self._verify_token = own.verify_token or settings.secret("whatsapp_verify_token")
        self.account = Account(own.phone_number_id or SIMULATED_NUMBER, real)
        self.limits = own.limits(WhatsApp.limits, real, settings.simulated_windows)
        self.retries = own.retries(settings.retry_policy)
        base = own.api_url or (meta.GRAPH_URL if real else f"{settings.simulator_url}/whatsapp")
        self.media_from = reached(real, own.api_url, base, meta.MEDIA_HOSTS)
        self._number = URL(f"{base}/{own.api_version}/{self.account.account_id}")
        self._messages = self._number / "messages"
        token = own.token or settings.secret("whatsapp_token")
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._http = Http(settings.provider_timeout_s, self._bearer)
        self._own_account = WhatsAppAccount(self._http, self._number, token, own.business_account_id, VERDICTS)

    def address(self, text: str) -> str:
        """ "+<digits>" however the number is written, or a user id or "group.<id>" as it is."""
        written = text.strip()
        group = written.removeprefix(whatsapp_inbound.GROUP)
        if whatsapp_inbound.USER_ID.fullmatch(written) or (group != written and whatsapp_inbound.GROUP_ID.fullmatch(group)):
            return written
        digits = written.translate(WRITTEN).removeprefix("+")
        found = canonical(digits) if WRITTEN_NUMBER.fullmatch(digits) else ""
        if not NUMBER.fullmatch(found):
            raise ValueError(
                "a WhatsApp address is a number with its country code, such as +5511999990000, a user id, or group.<id>"
            )
        return found

    def account_of(self, item: meta.WebhookItem, known: Container[str]) -> str:
        """The number that it names."""
        return self._whose(fields(item.what.get("value")))

    def _whose(self, value: dict[str, Any]) -> str:
        # It came to our address, signed with our secret: what names no number is this one's.
        return ident(fields(value, "metadata").get("phone_number_id")) or self.account.account_id

    def read_item(self, item: meta.WebhookItem) -> Iterator[Update]:
        """The statuses and messages in one change."""
        change = item.what
        field, value = words(change.get("field")), change.get("value")
        is_history = field == whatsapp_history.FIELD and bool(fields(value).get(whatsapp_history.FIELD))
        if field in ACCOUNT_FIELDS or field in whatsapp_templates.WEBHOOK_FIELDS:
            yield from self._of_itself(field, fields(value), item)
        elif field not in READ_FIELDS and not fields(value).keys() & VALUE_LISTS and not (is_history or field in OTHER_FIELDS):
            yield Unreadable("another field")
        elif not isinstance(value, dict):
            yield Unreadable("change")
        else:
            account = self._whose(value)
            ours = account == self.account.account_id
            readers: dict[str, Reader] = {
                whatsapp_history.FIELD: self._read_history,
                whatsapp_address_book.FIELD: whatsapp_address_book.read,
                whatsapp_preferences.FIELD: partial(whatsapp_preferences.read, account=account),
                whatsapp_user_ids.FIELD: partial(whatsapp_user_ids.read, account=account),
                **{each: partial(whatsapp_groups.read, account=account, field=each) for each in whatsapp_groups.FIELDS},
            }
            read = readers.get(field, self._read_value)(value)
            yield from read if ours else meta.of_another(account, read)

    def _of_itself(self, field: str, value: dict[str, Any], item: meta.WebhookItem) -> Iterator[Update]:
        """What it says of the account and its templates."""
        template = None
        if field in whatsapp_templates.WEBHOOK_FIELDS:
            template = whatsapp_templates.changed(self.name, self.account.account_id, field, value, item.at)
        news = list(whatsapp_news.read(field, value, item.entry))
        if template:
            yield template
        yield from news
        if not template and not news:
            yield Aside("passed_over", field)

    def _read_history(self, value: dict[str, Any]) -> Iterator[Update]:
        """What was said before the number was connected, or why there is none."""
        updates = list(whatsapp_history.read(value, self.account.account_id))
        refused = [Aside("provider_error", _reason([each])) for each in whatsapp_history.errors(value)]
        yield from [*updates, *refused] or [Unreadable("change")]

    def _read_value(self, value: dict[str, Any]) -> Iterator[Update]:
        """A list that is none, or a value without any, is kept: nobody knows what was in it."""
        lists = {name: value[name] for name in VALUE_LISTS if value.get(name) is not None}
        if not any(lists.values()) or not all(isinstance(each, list) for each in lists.values()):
            yield Unreadable("change")
        yield from (Aside("provider_error", _reason([each])) for each in items(lists.get("errors")))
        for each in items(lists.get("statuses")):
            yield self._read_status(each)
            yield from whatsapp_inbound.recipient(fields(each))
        for name in ("messages", "message_echoes"):
            contacts, account = value.get("contacts"), self.account.account_id
            yield from whatsapp_inbound.read(items(lists.get(name)), contacts, account, name == "message_echoes")
        yield from whatsapp_inbound.read_calls(items(lists.get("calls")), value.get("contacts"), self.account.account_id)

    def _read_status(self, raw: object) -> Update:
        status = fields(raw)
        provider_id, said = ident(status.get("id")), words(status.get("status"))
        kind = KINDS.get(said)
        if passed := _passed_over(status, said):
            return Aside("passed_over", passed)
        if kind is None or not provider_id:
            return Unreadable("unknown status" if said and provider_id else "status")
        return ProviderReceipt(
            channel=self.name,
            account=self.account.account_id,
            provider_id=provider_id,
            kind=kind,
            at=within_second(status.get("timestamp")),
            reason=_reason(items(status.get("errors"))) if kind == "failed" else "",
            reference=words(status.get("biz_opaque_callback_data")),
            cost=_cost(status),
        )

    async def check(self) -> str:
        """The number, how it fares, and what the token lacks."""
        return await self._own_account.check()

    async def examine(self, webhook_url: str) -> Examined:
        """The number, its token, its app and our address."""
        return await self._own_account.examine(webhook_url, self._app_secret)

    async def connect(self, webhook_url: str) -> str:
        """The same; where ours has a public address, subscribe the app to the business account and set the number's webhook."""
        return await self._own_account.connect(webhook_url, self._verify_token)

    async def templates(self, limit: int, after: str, name: str) -> TemplatePage:
        """Those of the business account."""
        return await (await self._own_account.templates()).page(limit, after, name)

    async def create_template(self, wanted: AccountTemplate) -> AccountTemplate:
        """For the business account, and so for all its numbers."""
        return await (await self._own_account.templates()).create(wanted)

    async def delete_template(self, name: str, language: str) -> bool:
        """From the business account."""
        return await (await self._own_account.templates()).delete(name, language)

    async def send_text(self, message: Outgoing) -> Taken:
        """A text; links in it get their preview."""
        return await self._send(message, VERDICTS, type="text", text=_Text(message.text))

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> Taken:
        """A picture, sound, film, voice note or sticker where WhatsApp shows the type, and a document for all else."""
        kind, part = whatsapp_sends.file_part(message, file, source)
        verdicts = LINK_VERDICTS if isinstance(source, FileLink) else VERDICTS
        return await self._send(message, verdicts, type=kind, **{kind: part})

    async def send_content(self, message: Outgoing, content: Content) -> Taken:
        """What it is."""
        kind, part = whatsapp_sends.part_of(message, content)
        return await self._send(message, VERDICTS, type=kind, **{kind: part})

    def shown_as(self, file: Media) -> str:
        """Its type. The name goes with each message."""
        return file.mime_type

    async def upload(self, file: Media, body: Body) -> Uploaded:
        """To the number's media."""
        return await whatsapp_media.upload(self._http, self._number, file, body, VERDICTS)

    async def signal(self, address: str, kind: str, about: str) -> None:
        """Both are said of the newest message of a person: that it was read, and with that perhaps that somebody types."""
        if address.startswith(whatsapp_inbound.GROUP) or not about.startswith(MESSAGE_ID):
            raise Permanent("not_supported")
        typing = {"typing_indicator": {"type": "text"}} if kind == "typing" else {}
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": about, **typing}
        meta.success(await self._http.post(self._messages, _encode(body)), VERDICTS)

    def media_lookup(self, media: str) -> Fetch | None:
        """The media's own page, which names a URL for the next minutes."""
        return Fetch(str(self._number.parent / media), self._bearer)

    def media_place(self, media: str, answer: bytes) -> Fetch:
        """The URL that the page named; it wants the token too."""
        try:
            return Fetch(_page(answer).url, self._bearer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Permanent("media") from None

    async def _send(self, message: Outgoing, verdicts: meta.Verdicts, **content: Any) -> Taken:
        address = message.address
        if message.reply_to:
            content["context"] = _Context(message.reply_to)
        if address.startswith("+"):
            content["to"] = address
        elif address.startswith(whatsapp_inbound.GROUP):
            content |= {"to": address.removeprefix(whatsapp_inbound.GROUP), "recipient_type": "group"}
        else:
            content["recipient"] = address
        send = _Send(biz_opaque_callback_data=message.reference, **content)
        answer = await self._http.post(self._messages, _encode(send))
        said = meta.success(answer, verdicts)
        provider_id = next((ident(fields(each).get("id")) for each in items(said.get("messages"))), "")
        if not provider_id:
            raise Unknown("unreadable_answer", f"HTTP {answer.status}")
        return Taken(provider_id, whatsapp_inbound.names(items(said.get("contacts"))))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


@lru_cache(maxsize=20_000)
def canonical(digits: str) -> str:
    """A number as WhatsApp calls it, without what is dialled within a country only: "(0)", or Argentina's 15."""
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return whatsapp_inbound.number(digits)
    if not phonenumbers.is_possible_number(number):
        return whatsapp_inbound.number(digits)
    return whatsapp_inbound.number(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _passed_over(status: dict[str, Any], said: str) -> str:
    """Why a status says nothing of a delivery; empty: it does. In a group that one of its people got nothing is no failure."""
    if said == "deleted":
        return "status_deleted"
    if words(status.get("type")) == "call":
        return "call_status"
    one = ident(status.get("recipient_participant_id")) or ident(status.get("recipient_participant_user_id"))
    return "status_of_one_in_a_group" if one and said == "failed" else ""


def _cost(status: dict[str, Any]) -> Cost | None:
    """What it costs. Where nothing says whether it is charged the type does; the conversation too names the category."""
    pricing, origin = fields(status, "pricing"), fields(fields(status, "conversation"), "origin")
    charged, kind = pricing.get("billable"), words(pricing.get("type"))
    if not isinstance(charged, bool):
        if not kind:
            return None
        charged = kind == "regular"
    category = words(pricing.get("category")) or words(origin.get("type"))
    return Cost(charged, _code(category), _code(words(pricing.get("pricing_model"))))


def _code(text: str) -> str:
    return text if CODE.fullmatch(text) else ""


def _reason(errors: Sequence[object]) -> str:
    code = next((code for each in errors if (code := meta.code_of(fields(each).get("code"), 0))), 0)
    if not code:
        return "failed"
    verdict = VERDICTS.get(code)
    return verdict.reason if verdict else f"code_{code}"
