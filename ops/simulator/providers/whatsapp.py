"""WhatsApp's Cloud API: /v23.0/<phone number id>/messages, media, templates, webhooks with statuses and messages."""

from collections.abc import Sequence
from typing import Any, ClassVar

from chat4all.settings import Settings
from ops.simulator.apps import Apps
from ops.simulator.model import Answer, Arrival, Attached, Call, Clock, Fetched, Refused, Said, Send
from ops.simulator.providers import graph, whatsapp_media, whatsapp_sends, whatsapp_webhooks
from ops.simulator.providers.provider import MB, Provider, encode, is_digits, largest
from ops.simulator.providers.templates import Templates
from ops.simulator.providers.whatsapp_sends import GROUP, GROUP_ID, NUMBER, USER_ID, invalid
from ops.simulator.providers.whatsapp_webhooks import BUSINESS, SHOWN_NUMBER

TITLES = {
    0: "Authentication Error",
    4: "Application request limit reached",
    100: "Invalid parameter",
    80007: "Rate limit issues",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131048: "Spam Rate limit hit",
    131051: "Unsupported message type",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
}
DETAILS = {
    131026: "Message Undeliverable.",
    131047: "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    131053: "Unable to upload the media used in the message.",
    131056: "Message failed to send because there were too many messages from this phone number to the same phone number in "
    "a short period of time.",
}
DOCUMENT_BYTES = 100 * MB
SOUNDS = ("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg")
# What a number tells of itself; somebody who asks for one of these asks for a number.
NUMBER_FIELDS: dict[str, Any] = {
    "display_phone_number": SHOWN_NUMBER,
    "verified_name": "Simulated business",
    "quality_rating": "GREEN",
    "code_verification_status": "VERIFIED",
    "name_status": "APPROVED",
    "status": "CONNECTED",
    "platform_type": "CLOUD_API",
    "throughput": {"level": "STANDARD"},
    "whatsapp_business_manager_messaging_limit": "TIER_250",
    "whatsapp_business_account": {"id": BUSINESS},
    "webhook_configuration": {},
}
SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging"]


class WhatsApp(Provider):
    """One business number. It sends for whatever phone number id it is called with."""

    name = "whatsapp"
    kinds: ClassVar[tuple[str, ...]] = ("sent", "delivered", "read")
    tells_failed = True
    fetches_later = True
    too_fast = (130429, 131056)
    takes: ClassVar[dict[str, dict[str, int]]] = {
        "image": dict.fromkeys(("image/jpeg", "image/png"), 5 * MB),
        "audio": dict.fromkeys(SOUNDS, 16 * MB),
        "video": dict.fromkeys(("video/mp4", "video/3gpp"), 16 * MB),
        "document": {"": DOCUMENT_BYTES},
        "sticker": {"image/webp": MB // 2},
    }

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.account = "100000000000001"
        self.templates = Templates()
        self._accounts = {self.account}
        self._token = settings.secret("whatsapp_token")
        self.apps: Apps = Apps()
        self._app_secret = settings.secret("whatsapp_app_secret")

    def address(self, text: str) -> str:
        """ "+<digits>", or a user id or "group.<id>" as it is."""
        bare = text.strip().replace(" ", "")
        if bare.startswith(GROUP) and GROUP_ID.fullmatch(bare.removeprefix(GROUP)):
            return bare
        if NUMBER.fullmatch(bare):
            return f"+{bare.lstrip('+')}"
        if not USER_ID.fullmatch(bare):
            raise ValueError("not an address: a number such as +5511999990000, or a user id")
        return bare

    def call(self, call: Call) -> Send | Answer:
        """Messages and media of a number; what the number, the business account and the token say to whoever connects."""
        missing = Refused(0, 401, words="Authentication Error", kind="OAuthException")
        graph.authorize(call, self._token, missing)
        match call.method, call.path:
            case "POST", (_, account, "messages"):
                return self._message(account, call.body)
            case "POST", (_, _, "media"):
                return whatsapp_media.upload(call, self.media_store)
            case "POST" | "DELETE", (_, _, "message_templates"):
                return self._change_templates(call)
            case "POST", (_, _) | (_, _, "subscribed_apps" | "register"):
                return Answer(encode({"success": True}))
            case "DELETE", (_, name) if self.media_store.forget(name):
                return Answer(encode({"success": True}))
            case "GET", (_, _) | (_, _, _):
                return self._told(call)
        raise (
            graph.unknown_path("/".join(call.path)) if len(call.path) != 2 else graph.unknown_object(call.method, call.path[1])
        )

    def _told(self, call: Call) -> Answer:
        """What somebody asks for, and changes nothing."""
        if call.path[0] == "media":
            return self.media_store.answer(call.path[1])
        if call.path[1] == "debug_token":
            return Answer(encode({"data": {"app_id": "1", "is_valid": True, "scopes": SCOPES, "expires_at": 0}}))
        return self._object(call, call.path[1]) if len(call.path) == 2 else self._edge(call, call.path[2])

    def _message(self, account: str, body: bytes) -> Send | Answer:
        if not is_digits(account):
            raise graph.unknown_object("post", account)
        given = whatsapp_sends.body_of(body)
        if given.get("status") == "read":
            return _read(given)
        send = whatsapp_sends.read(account, given, self.media_store, self.templates)
        self._accounts.add(account)
        return send

    def _change_templates(self, call: Call) -> Answer:
        if call.method == "POST":
            return Answer(encode(self.templates.create(graph.body_of(call))))
        if not self.templates.delete(call.query.get("name", ""), call.query.get("hsm_id", "")):
            raise Refused(100, words="Message Template Not Found", subcode=2593002)
        return Answer(encode({"success": True}))

    def _edge(self, call: Call, edge: str) -> Answer:
        match edge:
            case "message_templates":
                limit = call.query.get("limit", "")
                most = int(limit) if is_digits(limit) else 25
                return Answer(encode(self.templates.page(most, call.query.get("after", ""), call.query.get("name", ""))))
            case "phone_numbers":
                return Answer(encode({"data": [{"id": self.account} | NUMBER_FIELDS]}))
            case "subscribed_apps":
                return Answer(encode({"data": [{"whatsapp_business_api_data": {"id": "1", "name": "Simulated"}}]}))
        raise graph.unknown_path(edge)

    def _object(self, call: Call, name: str) -> Answer:
        """A file, the business account, or a number: ids say nothing of what they are the ids of."""
        attached = self.media_store.known(name)
        if attached:
            return Answer(encode(self._page(attached)))
        fields = [each.partition("{")[0] for each in call.query.get("fields", "").split(",") if each]
        if name == BUSINESS:
            return Answer(encode({"id": name, "name": "Simulated business", "currency": "USD"}))
        if name in self._accounts or (is_digits(name) and any(each in NUMBER_FIELDS for each in fields)):
            self._accounts.add(name)
            asked = {each: NUMBER_FIELDS[each] for each in fields or NUMBER_FIELDS if each in NUMBER_FIELDS}
            return Answer(encode(asked | {"id": name}))
        raise graph.unknown_object("get", name)

    def _page(self, attached: Attached) -> dict[str, Any]:
        named = {"id": attached.media_id, "mime_type": attached.mime_type, "sha256": attached.sha256}
        return named | {
            "file_size": attached.size,
            "url": self.media_store.url(attached.media_id),
            "messaging_product": "whatsapp",
        }

    def new_id(self, address: str) -> str:
        """wamid.<unique>."""
        return f"wamid.{super().new_id(address)}"

    def taken(self, send: Send, provider_id: str) -> bytes:
        """Contacts and the message's id."""
        person = whatsapp_webhooks.contact(send.to, portfolio=self.apps.portfolio(send.account))
        del person["profile"]
        message = {"id": provider_id} | ({"message_status": "accepted"} if send.kind == "template" else {})
        contacts = [{"input": send.to.removeprefix(GROUP)} | person]
        return encode({"messaging_product": "whatsapp", "contacts": contacts, "messages": [message]})

    def refused(self, refused: Refused) -> Answer:
        """The Graph API's envelope, with WhatsApp's details."""
        title = TITLES.get(refused.code, "Something went wrong")
        plain = refused.kind or refused.code in {0, 190}
        details = "" if plain else refused.details or DETAILS.get(refused.code, title)
        return graph.error(refused, "OAuthException", title, details)

    def outside_window(self) -> Refused:
        """Only templates may be sent then."""
        return Refused(131047)

    def nobody(self) -> Refused:
        """The number is on no phone with WhatsApp."""
        return Refused(131026)

    def unfit(self, send: Send, found: Fetched | None) -> Refused | None:
        """Links are fetched after the answer."""
        most = largest(self.takes.get(send.kind, {}), found.mime_type) if found else None
        return None if found and most is not None and found.size <= most else Refused(131053)

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """A status, and whom it is about."""
        title = TITLES.get(code, "Something went wrong")
        portfolio = self.apps.portfolio(arrival.account)
        told = whatsapp_webhooks.status(arrival, kind, at, code, title, DETAILS.get(code, title), portfolio)
        return ("statuses", arrival.account, told, whatsapp_webhooks.contact(arrival.to, portfolio=portfolio))

    def tells(self, arrival: Arrival, kind: str) -> bool:
        """Of reactions only that they were sent."""
        return arrival.kind != "reaction" or kind == "sent"

    def said(self, said: Said) -> Any:
        """A message or a call, and its sender's contact."""
        portfolio = self.apps.portfolio(said.account)
        person = whatsapp_webhooks.contact(whatsapp_webhooks.speaker(said), said.name, portfolio)
        if said.content.get("type") == "call" and said.content.get("status") in {"missed", "ended"}:
            return ("calls", said.account, whatsapp_webhooks.call(said, portfolio), person)
        if said.content.get("type") == "chat_change":
            return (*whatsapp_webhooks.group_change(said), {})
        return ("messages", said.account, whatsapp_webhooks.message(said, portfolio), person)

    def webhook(self, contents: Sequence[Any]) -> bytes:
        """Statuses and messages in changes of their own."""
        return whatsapp_webhooks.body(contents)

    def signature(self, body: bytes) -> dict[str, str]:
        """X-Hub-Signature-256."""
        return graph.hub_signature(self._app_secret, body)

    def account_of(self, content: Any) -> str:
        """The account that it names."""
        return str(content[1])

    def addressed(self, contents: Sequence[Any], body: bytes) -> tuple[str, dict[str, str]]:
        """To the app that the account is of, signed with its secret."""
        app = self.apps.of(self.account_of(contents[0]))
        return (app.url, graph.hub_signature(app.app_secret, body)) if app else ("", self.signature(body))


def _read(given: dict[str, Any]) -> Answer:
    """A message was read, and somebody may be writing an answer to it."""
    name, typing = given.get("message_id"), given.get("typing_indicator")
    if not isinstance(name, str) or not name:
        raise invalid("The parameter message_id is required.")
    if typing is not None and typing != {"type": "text"}:
        raise invalid("Param typing_indicator['type'] must be one of {TEXT}.")
    return Answer(encode({"success": True}), signal="typing" if typing else "read")
