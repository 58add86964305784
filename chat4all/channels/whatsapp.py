"""WhatsApp through Meta's Cloud API. Addresses are "+<digits>" or, for people who show no number, their user id "US.1234"."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from yarl import URL

from chat4all.channels import graph, whatsapp_inbound
from chat4all.channels.accounts import Pacing, load, reached, require
from chat4all.channels.graph import Verdict
from chat4all.channels.http import Http
from chat4all.channels.times import within_second
from chat4all.failures import Permanent, Temporary, Throttled, Unknown
from chat4all.messages import File
from chat4all.ports import Account, Channel, Fetch, Limits, Outgoing, Unreadable, Update
from chat4all.records import ProviderReceipt
from chat4all.settings import Settings

SIMULATED_NUMBER = "100000000000001"
NUMBER = re.compile(r"\+?[1-9]\d{6,14}")
USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
WRITTEN = str.maketrans("", "", " -().\u00a0")

VERDICTS = graph.COMMON | {
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
    131042: Verdict(Temporary, "payment"),
    131045: Verdict(Temporary, "credentials"),
    131047: Verdict(Permanent, "outside_window"),
    131048: Verdict(Permanent, "spam_limit"),
    131049: Verdict(Permanent, "ecosystem_limit"),
    131050: Verdict(Permanent, "opted_out"),
    131051: Verdict(Permanent, "unsupported"),
    131052: Verdict(Permanent, "media"),
    131053: Verdict(Permanent, "media"),
    131056: Verdict(Throttled, "pair_rate_limit", 6.0),
    131057: Verdict(Temporary, "maintenance"),
    133004: Verdict(Temporary, "provider_error"),
    133010: Verdict(Temporary, "credentials"),
}
MB = 1 << 20
IMAGES = ("image/jpeg", "image/png")
VIDEOS = ("video/mp4", "video/3gpp")
AUDIO = ("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg")
KINDS = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}


class WhatsAppSettings(Pacing):
    """WHATSAPP_…: a business number. Without WHATSAPP_TOKEN the channel talks to the simulator."""

    model_config = SettingsConfigDict(env_prefix="WHATSAPP_", frozen=True, extra="ignore")

    token: str = Field("", description="Access token of a system user.")
    phone_number_id: str = Field("", description="Id of the number that sends, from Meta's console; not the number itself.")
    app_secret: str = Field("", description="The app's secret; signs webhooks.")
    verify_token: str = Field("", description="What Meta's console asks back when the webhook's address is set.")
    api_url: str = Field("", description="Where the Cloud API is; empty: Meta, or the simulator without a token.")
    api_version: str = Field(graph.GRAPH_VERSION, pattern=r"^v\d+\.\d+$", description="Version of the Graph API.")


class _Error(Struct, frozen=True):
    code: int = -1


class _Status(Struct, frozen=True):
    id: str
    status: str
    timestamp: str
    errors: list[_Error] = []
    biz_opaque_callback_data: str = ""


class _Metadata(Struct, frozen=True):
    phone_number_id: str


class _Value(Struct, frozen=True):
    metadata: _Metadata
    contacts: list[Raw] = []
    messages: list[Raw] = []
    statuses: list[Raw] = []


class _Change(Struct, frozen=True):
    field: str
    value: Raw


class _Text(Struct, frozen=True):
    body: str
    preview_url: bool = True


class _Send(Struct, frozen=True):
    type: str
    biz_opaque_callback_data: str
    to: str | UnsetType = UNSET
    recipient: str | UnsetType = UNSET
    text: _Text | UnsetType = UNSET
    image: dict[str, str] | UnsetType = UNSET
    audio: dict[str, str] | UnsetType = UNSET
    video: dict[str, str] | UnsetType = UNSET
    document: dict[str, str] | UnsetType = UNSET
    messaging_product: str = "whatsapp"
    recipient_type: str = "individual"


class _Id(Struct, frozen=True):
    id: str


class _Sent(Struct, frozen=True):
    messages: tuple[_Id]


class _Number(Struct, frozen=True):
    display_phone_number: str = ""
    verified_name: str = ""


class _MediaPage(Struct, frozen=True):
    url: str


_encode = msgspec.json.Encoder().encode
_status = msgspec.json.Decoder(_Status).decode
_value = msgspec.json.Decoder(_Value).decode
_change = msgspec.json.Decoder(_Change).decode
_sent = msgspec.json.Decoder(_Sent).decode
_number = msgspec.json.Decoder(_Number).decode
_page = msgspec.json.Decoder(_MediaPage).decode


class WhatsApp(Channel):
    """One business number on the Cloud API, or on the simulator."""

    name = "whatsapp"
    limits = Limits(
        text_length=4096,
        account_per_second=80,
        recipient_interval_s=6,
        recipient_burst=45,
        echoes_reference=True,
        receipts=frozenset({"sent", "delivered", "read", "failed"}),
        file_bytes=dict.fromkeys(IMAGES, 5 * MB) | dict.fromkeys((*VIDEOS, *AUDIO), 16 * MB) | {"": 100 * MB},
    )

    def __init__(self, settings: Settings) -> None:
        own = load(WhatsAppSettings)
        real = bool(own.token)
        if real:
            require(own, "phone_number_id", "app_secret", "verify_token")
        self._app_secret = own.app_secret or settings.secret("whatsapp_app_secret")
        self._verify_token = own.verify_token or settings.secret("whatsapp_verify_token")
        self.account = Account(own.phone_number_id or SIMULATED_NUMBER, real)
        self.limits = own.limits(WhatsApp.limits, real)
        base = own.api_url or (graph.GRAPH_URL if real else f"{settings.simulator_url}/whatsapp")
        self.media_from = reached(real, own.api_url, base, graph.MEDIA_HOSTS)
        self._number = URL(f"{base}/{own.api_version}/{self.account.account_id}")
        self._messages = self._number / "messages"
        token = own.token or settings.secret("whatsapp_token")
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._http = Http(settings.provider_timeout_s, self._bearer)

    def address(self, text: str) -> str:
        """ "+<digits>" however the number is written, or a user id as it is."""
        written = text.strip()
        if USER_ID.fullmatch(written):
            return written
        digits = written.translate(WRITTEN)
        if not NUMBER.fullmatch(digits):
            raise ValueError("a WhatsApp address is a number with its country code, such as +5511999990000, or a user id")
        return whatsapp_inbound.number(digits)

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Meta's hub.challenge."""
        return graph.challenge(self._verify_token, query)

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Meta's X-Hub-Signature-256."""
        return graph.is_signed(self._app_secret, headers, body)

    def read_webhook(self, body: bytes) -> Sequence[Update]:
        """Statuses and messages of every entry and change that can be read."""
        found: list[Update] = []
        for each in graph.told(body):
            if isinstance(each, Unreadable):
                found.append(each)
            else:
                self._read_change(each, found)
        return found

    def _read_change(self, raw: Raw, found: list[Update]) -> None:
        try:
            change = _change(raw)
            if change.field != "messages":
                found.append(Unreadable("another field"))
                return
            value = _value(change.value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            found.append(Unreadable("change"))
            return
        if value.metadata.phone_number_id != self.account.account_id:
            found.append(Unreadable("another account"))
            return
        found.extend(self._read_status(each) for each in value.statuses)
        if value.messages:
            found.extend(whatsapp_inbound.read(value.messages, value.contacts, self.account.account_id))

    def _read_status(self, raw: Raw) -> Update:
        try:
            status = _status(raw)
            at = within_second(status.timestamp)
        except (msgspec.MsgspecError, ValueError):
            return Unreadable("status")
        kind = KINDS.get(status.status)
        if kind is None:
            return Unreadable("unknown status")
        return ProviderReceipt(
            channel=self.name,
            account=self.account.account_id,
            provider_id=status.id,
            kind=kind,
            at=at,
            reason=_reason(status.errors) if kind == "failed" else "",
            reference=status.biz_opaque_callback_data,
        )

    async def connect(self, webhook_url: str) -> str:
        """Ask for the number that the token may use, and set its webhook where ours has a public address."""
        answer = await self._http.get(self._number.with_query(fields="display_phone_number,verified_name"))
        if answer.status != 200:
            raise graph.refusal(answer, VERDICTS)
        number = _number(answer.body)
        line = f"WhatsApp {number.display_phone_number} ({number.verified_name})"
        if not webhook_url.startswith("https://"):
            return f"{line}; no public address, so no webhook is set"
        wanted = {"override_callback_uri": webhook_url, "verify_token": self._verify_token}
        answer = await self._http.post(self._number, _encode({"webhook_configuration": wanted}))
        if answer.status != 200:
            raise graph.refusal(answer, VERDICTS)
        return f"{line}; webhook set"

    async def send_text(self, message: Outgoing) -> str:
        """A text; links in it get their preview."""
        return await self._send(message, type="text", text=_Text(message.text))

    async def send_file(self, message: Outgoing, file: File, url: str) -> str:
        """A picture, sound or film where WhatsApp shows the type, and a document for all else."""
        kind = _media_kind(file.mime_type)
        if kind == "audio" and message.text:
            # Sounds have no captions, and words must not be lost.
            kind = "document"
        media = {"link": url}
        if message.text:
            media["caption"] = message.text
        if kind == "document" and file.filename:
            media["filename"] = file.filename
        return await self._send(message, type=kind, **{kind: media})

    def media_lookup(self, media: str) -> Fetch | None:
        """The media's own page, which names a URL for the next minutes."""
        return Fetch(str(self._number.parent / media), self._bearer)

    def media_place(self, media: str, answer: bytes) -> Fetch:
        """The URL that the page named; it wants the token too."""
        try:
            return Fetch(_page(answer).url, self._bearer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Permanent("media") from None

    async def _send(self, message: Outgoing, **content: Any) -> str:
        phone = message.address.startswith("+")
        to, recipient = (message.address, UNSET) if phone else (UNSET, message.address)
        send = _Send(biz_opaque_callback_data=message.reference, to=to, recipient=recipient, **content)
        answer = await self._http.post(self._messages, _encode(send))
        if answer.status != 200:
            raise graph.failure(answer, VERDICTS)
        try:
            return _sent(answer.body).messages[0].id
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Unknown("unreadable_answer", f"HTTP {answer.status}") from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def _reason(errors: Sequence[_Error]) -> str:
    if not errors:
        return "failed"
    verdict = VERDICTS.get(errors[0].code)
    return verdict.reason if verdict else f"code_{errors[0].code}"


def _media_kind(mime_type: str) -> str:
    if mime_type in IMAGES:
        return "image"
    if mime_type in VIDEOS:
        return "video"
    if mime_type in AUDIO:
        return "audio"
    return "document"
