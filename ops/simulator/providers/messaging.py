"""What Instagram and Messenger share: /v23.0/<account>/messages, and webhooks of "messaging" events."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import Content, shown, words_of
from chat4all.settings import Settings
from ops.simulator.apps import Apps
from ops.simulator.model import WINDOW_S, Answer, Arrival, Call, Clock, Fetched, Refused, Said, Send
from ops.simulator.providers import attachments, graph, messaging_people
from ops.simulator.providers import messaging_sends as sends
from ops.simulator.providers.provider import Provider, encode, is_digits, largest

TITLES = {
    2: "Service temporarily unavailable",
    4: "Application request limit reached",
    10: "This message is sent outside of allowed window.",
    100: "Invalid parameter",
    551: "This person isn't available right now.",
    613: "Calls to this api have exceeded the rate limit.",
}
AGENT_WINDOW_S = 7 * WINDOW_S
TYPES = {"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"}
SIGNALS = {"typing_on": "typing", "typing_off": "", "mark_seen": "read"}
KINDS = ("image", "audio", "video", "file")


class _Recipient(Struct, frozen=True):
    id: str = ""


class _Payload(Struct, frozen=True):
    url: str = ""
    attachment_id: str = ""


class _Attachment(Struct, frozen=True):
    type: str
    payload: _Payload = _Payload()


class _Message(Struct, frozen=True):
    text: str = ""
    attachment: _Attachment | None = None
    metadata: str = ""
    quick_replies: list[sends.QuickReply] = []


class _Send(Struct, frozen=True):
    recipient: _Recipient = _Recipient()
    message: _Message | None = None
    sender_action: str = ""
    messaging_type: str = "RESPONSE"
    tag: str = ""
    payload: sends.ActionPayload = sends.ActionPayload()
    reply_to: sends.ReplyTo = sends.ReplyTo()


_send = msgspec.json.Decoder(_Send).decode


class MessagingProvider(Provider):
    """One account. `webhook_object` names the kind of account in webhooks; `error_kind` is the type of its own errors.

    `longest`: of a text, in `unit`. `window_error` and `stranger_error` are (code, subcode, HTTP status).
    `cuts_titles`: of quick replies; else long ones are refused. `reactions`: those that the account can give; none: every
    emoji. `keeps_attachments`: files can be uploaded, and named in messages.
    """

    webhook_object: ClassVar[str]
    error_kind: ClassVar[str] = "OAuthException"
    window_error: ClassVar[tuple[int, int, int]]
    stranger_error: ClassVar[tuple[int, int, int]]
    stranger_words: ClassVar[str]
    simulated_account: ClassVar[str]
    longest: ClassVar[int]
    cuts_titles: ClassVar[bool] = False
    reactions: ClassVar[frozenset[str]] = frozenset()
    too_fast = (613, 613)
    keeps_attachments: ClassVar[bool] = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.account = self.simulated_account
        self._token = settings.secret(f"{self.name}_token")
        self.apps: Apps = Apps()
        self._app_secret = settings.secret(f"{self.name}_app_secret")

    def address(self, text: str) -> str:
        """Digits, as they are."""
        if not is_digits(text.strip()):
            raise ValueError("not an address: digits such as 6789012345")
        return text.strip()

    def length(self, text: str) -> int:
        """How long the provider finds a text."""
        return len(text)

    def call(self, call: Call) -> Send | Answer:
        """POST messages; the account and its subscriptions are for whoever connects."""
        if call.path[:1] == ("media",) and len(call.path) == 2:
            return self.media_store.answer(call.path[1])
        words = "An access token is required to request this resource."
        graph.authorize(call, self._token, Refused(104, 401, words=words, kind="OAuthException"))
        if len(call.path) < 2:
            raise graph.unknown_path("/".join(call.path))
        account = self.account if call.path[1] == "me" else call.path[1]
        if not is_digits(account):
            raise graph.unknown_object(call.method, account)
        match call.method, call.path[2:]:
            case "POST", ("messages",):
                return self._read(account, call.body)
            case "POST", ("message_attachments",) if self.keeps_attachments:
                return attachments.upload(call, self.media_store, dict(self.takes))
            case "POST", ("subscribed_apps",):
                return Answer(encode({"success": True}))
            case "GET", ("subscribed_apps",):
                return Answer(encode({"data": [{"id": "1", "subscribed_fields": ["messages"]}]}))
            case "GET", ():
                return Answer(encode({"id": account, "name": "Simulated business", "username": "simulated"}))
        if len(call.path) > 2:
            raise graph.unknown_path("/".join(call.path))
        raise graph.unknown_object(call.method, account)

    def _read(self, account: str, body: bytes) -> Send | Answer:
        try:
            send = _send(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Refused(100, words="(#100) The parameters of the call cannot be read as JSON of the Send API.") from None
        if not send.recipient.id:
            raise Refused(100, words="(#100) The parameter recipient is required")
        if not is_digits(send.recipient.id):
            raise self.nobody()
        if send.messaging_type not in TYPES:
            raise Refused(100, words=f"(#100) Param messaging_type must be one of {{{', '.join(sorted(TYPES))}}}")
        if send.message is None:
            return self._act(account, send)
        if send.sender_action:
            raise sends.invalid("Cannot send both message and sender_action in one call")
        taken = self._message(account, send, send.message, body)
        return replace(taken, reply_to=send.reply_to.mid) if send.reply_to.mid else taken

    def _act(self, account: str, send: _Send) -> Send | Answer:
        """Typing, or seen; or a reaction."""
        if send.sender_action in {"react", "unreact"}:
            return self._typed(account, send, sends.reaction(send.sender_action, send.payload, self.reactions), "reaction")
        if send.sender_action not in SIGNALS:
            raise Refused(100, words="(#100) The parameter message is required")
        return Answer(encode({"recipient_id": send.recipient.id}), signal=SIGNALS[send.sender_action])

    def _typed(self, account: str, send: _Send, content: Content, kind: str) -> Send:
        reference = send.message.metadata if send.message else ""
        words = words_of(content)
        return Send(account, send.recipient.id, words, reference, kind=kind, content=shown(content), within_s=_within(send))

    def _message(self, account: str, send: _Send, message: _Message, body: bytes) -> Send:
        within = _within(send)
        if message.attachment is not None and message.attachment.type == "template":
            return self._typed(account, send, sends.template(body), "template")
        if message.attachment is not None:
            return self._file(account, send, message.attachment, within)
        if not message.text:
            raise Refused(100, words="(#100) Param message[text] must be a non-empty UTF-8 encoded string")
        if self.length(message.text) > self.longest:
            raise Refused(100, words=f"(#100) Length of param message[text] must be less than or equal to {self.longest}")
        if message.quick_replies:
            choices = sends.quick_replies(message.text, message.quick_replies, self.cuts_titles)
            return self._typed(account, send, choices, "text")
        return Send(account, send.recipient.id, message.text, message.metadata, within_s=within)

    def _file(self, account: str, send: _Send, attachment: _Attachment, within: float) -> Send:
        if attachment.type not in KINDS:
            allowed = ", ".join(KINDS)
            raise Refused(100, words=f"(#100) Param message[attachment][type] must be one of {{{allowed}}}")
        assert send.message is not None  # noqa: S101
        reference, url = send.message.metadata, attachment.payload.url
        if attachment.payload.attachment_id and self.keeps_attachments:
            kept = attachments.known(self.media_store, attachment.payload.attachment_id, attachment.type)
            link = self.media_store.url(kept.media_id)
            return Send(account, send.recipient.id, "", reference, link, attachment.type, kept, within_s=within)
        if not url.startswith(("http://", "https://")):
            raise Refused(100, words="(#100) Param message[attachment][payload][url] should represent a valid URL")
        return Send(account, send.recipient.id, "", reference, url, attachment.type, within_s=within)

    def new_id(self, address: str) -> str:
        """m_<unique>."""
        return f"m_{super().new_id(address)}"

    def taken(self, send: Send, provider_id: str) -> bytes:
        """The recipient and the message's id; an action has none."""
        if send.kind == "reaction":
            return encode({"recipient_id": send.to})
        return encode({"recipient_id": send.to, "message_id": provider_id})

    def tells(self, arrival: Arrival, kind: str) -> bool:
        """Nobody is told what becomes of a reaction."""
        return arrival.kind != "reaction"

    def refused(self, refused: Refused) -> Answer:
        """The Graph API's envelope; code 10 is about the window here."""
        if refused.code == self.window_error[0] and not refused.subcode:
            refused.subcode = self.window_error[1]
        return graph.error(refused, self.error_kind, TITLES.get(refused.code, "An unknown error occurred"))

    def outside_window(self) -> Refused:
        """24 hours, or seven days for a human agent."""
        code, subcode, status = self.window_error
        return Refused(code, status, subcode=subcode)

    def nobody(self) -> Refused:
        """Nobody of this id has ever written to the account."""
        code, subcode, status = self.stranger_error
        return Refused(code, status, subcode=subcode, words=self.stranger_words)

    def unfit(self, send: Send, found: Fetched | None) -> Refused | None:
        """Links are fetched before the answer."""
        if found is None:
            return Refused(100, words="(#100) Failed to fetch the file from the url", subcode=2018008)
        most = largest(self.takes.get(send.kind, {}), found.mime_type)
        if most is None or found.size > most:
            return Refused(100, words="(#100) Upload attachment failure.", subcode=2018047)
        return None

    def event(self, arrival: Arrival, by_person: bool, at: int, **what: Any) -> tuple[str, dict[str, Any]]:
        """An event about a message, with whose account it goes to."""
        parties = (arrival.to, arrival.account) if by_person else (arrival.account, arrival.to)
        return arrival.account, {"sender": {"id": parties[0]}, "recipient": {"id": parties[1]}, "timestamp": at, **what}

    def echo(self, arrival: Arrival) -> dict[str, Any]:
        """A message of ours, told back to us."""
        said: dict[str, Any] = {"mid": arrival.provider_id, "is_echo": True}
        if arrival.reply_to:
            said["reply_to"] = {"mid": arrival.reply_to}
        if arrival.kind == "template":
            return said | {"attachments": [{"type": "template", "payload": sends.template_of(arrival.content)}]}
        if arrival.media:
            return said | {"attachments": [{"type": arrival.kind, "payload": {"url": arrival.media}}]}
        return said | {"text": arrival.content.get("text", arrival.text)}

    def said(self, said: Said) -> Any:
        """What a person writes or does."""
        link = self.media_store.url(said.attached.media_id) if said.attached else ""
        told = messaging_people.event(said, link)
        return said.account, {"sender": {"id": said.sender}, "recipient": {"id": said.account}, "timestamp": said.at, **told}

    def webhook(self, contents: Sequence[Any]) -> bytes:
        """One entry for each account that is spoken of."""
        events: dict[str, list[Any]] = {}
        for account, event in contents:
            events.setdefault(account, []).append(event)
        entries = [{"id": account, "time": each[-1]["timestamp"], "messaging": each} for account, each in events.items()]
        return encode({"object": self.webhook_object, "entry": entries})

    def signature(self, body: bytes) -> dict[str, str]:
        """X-Hub-Signature-256."""
        return graph.hub_signature(self._app_secret, body)

    def account_of(self, content: Any) -> str:
        """The account that it names."""
        return str(content[0])

    def addressed(self, contents: Sequence[Any], body: bytes) -> tuple[str, dict[str, str]]:
        """To the app that the account is of, signed with its secret."""
        app = self.apps.of(self.account_of(contents[0]))
        return (app.url, graph.hub_signature(app.app_secret, body)) if app else ("", self.signature(body))


def _within(send: _Send) -> float:
    return AGENT_WINDOW_S if (send.messaging_type, send.tag) == ("MESSAGE_TAG", "HUMAN_AGENT") else WINDOW_S
