"""Telegram's Bot API: /bot<token>/<method>, one update a webhook with a secret token, or getUpdates."""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from msgspec.structs import replace

from chat4all.settings import Settings
from ops.simulator import forms
from ops.simulator.held import ANOTHER_FETCH
from ops.simulator.model import Album, Answer, Arrival, Attached, Call, Clock, Fetched, Poll, Refused, Said, Send
from ops.simulator.numbers import Numbers
from ops.simulator.providers import telegram_chats, telegram_messages, telegram_said, telegram_sends
from ops.simulator.providers.provider import MB, Provider, encode, is_digits, largest
from ops.simulator.providers.telegram_chats import Chats, bad
from ops.simulator.providers.telegram_hook import Hook
from ops.simulator.providers.telegram_messages import BOT, BOT_USER

TOKEN = re.compile(r"bot[0-9]+:[A-Za-z0-9_-]+")
LONGEST_TEXT, LONGEST_CAPTION, LONGEST_BYTES = 4096, 1024, 1 << 15
LONGEST_POLL_S = 50
MOST_UPDATES = 100
PARSE_MODES = {"", "none", "markdown", "markdownv2", "html"}
DOWNLOAD_BYTES = 20 * MB
UPLOAD_BYTES = {"photo": 10 * MB}
LARGEST_UPLOAD = 50 * MB
# sendPhoto and its like: the parameter is named as the method.
KINDS = ("photo", "document", "video", "audio", "voice", "animation", "sticker")
SENDING = {f"send{kind}": kind for kind in KINDS}
HOOKS = {"getme", "getwebhookinfo", "setwebhook", "deletewebhook"}
# Beside an update of another bot than the first: whose it is.
ANOTHER = "of_bot"
DONE = {"setmycommands", "deletemycommands"}
SIGNALS = {"sendchataction": "typing", "readbusinessmessage": "read", "answercallbackquery": "pressed"}
ABILITIES = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
CODES = {
    400: "Bad Request: chat not found",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: ANOTHER_FETCH,
}
ACTIVE = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


class Telegram(Provider):
    """A bot, and others with the same secret behind another id, each with a webhook of its own. As long as nobody sets or
    deletes the first one's, its updates go to the gateway as those of the other providers do; only it can be polled.
    """

    name = "telegram"
    batch: ClassVar[int] = 1
    too_fast = (429, 429)
    # By a link. What is uploaded may be of any type, and larger.
    takes: ClassVar[dict[str, dict[str, int]]] = {
        "photo": {"image/": 5 * MB},
        "document": dict.fromkeys(("application/pdf", "application/zip", "image/gif"), 20 * MB),
        "video": {"video/mp4": 20 * MB},
        "audio": dict.fromkeys(("audio/mpeg", "audio/mp4"), 20 * MB),
        "voice": dict.fromkeys(("audio/ogg", "audio/mpeg", "audio/mp4"), 20 * MB),
        "animation": dict.fromkeys(("image/gif", "video/mp4"), 20 * MB),
        "sticker": {"image/webp": MB // 2},
    }

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.account = BOT
        self._secret = settings.secret("telegram_token").encode()
        self._others: dict[str, Hook] = {}
        self._ids = Numbers(settings.data / "simulator" / "telegram.txt")
        self.chats = Chats(self._ids)
        self._was_set = False
        self.webhooks = Hook(f"{settings.gateway_url}/channels/telegram/webhook", settings.secret("telegram_webhook_secret"))

    def hook(self) -> str:
        """Where somebody said that updates go. Only loopback is really called: nobody outside is told of simulated people."""
        return self.webhooks.url if self._was_set and self.webhooks.url.startswith("http://") else ""

    def webhook_failed(self, why: str) -> None:
        """For getWebhookInfo."""
        self.webhooks.error, self.webhooks.error_at = why, self.clock.now() // 1000

    def address(self, text: str) -> str:
        """A chat's id, as it is."""
        return telegram_chats.place(text).address

    def call(self, call: Call) -> Send | Album | Answer | Poll:
        """Methods are called with GET or POST, with a query, a form or JSON; their names may be written in any case."""
        bot = self._authorized(call.path)
        done = self._called(call, bot)
        if isinstance(done, Album):
            return replace(done, sends=tuple(replace(each, account=bot) for each in done.sends))
        return replace(done, account=bot) if isinstance(done, Send) else done

    def _called(self, call: Call, bot: str) -> Send | Album | Answer | Poll:
        if call.path[0] == "file":
            media_id = call.path[-1].partition(".")[0]
            return self.media_store.answer(media_id)
        try:
            given, files = forms.fields(call)
        except forms.Unreadable:
            raise bad("can't parse JSON object") from None
        method = call.path[1].lower()
        if method == "sendmessage":
            return self._text(given)
        if method in SENDING:
            return self._file(SENDING[method], given, files)
        if method == "sendmediagroup":
            return self._album(given, files)
        if method in telegram_sends.METHODS:
            return telegram_sends.send(method, given, self.chats)
        return self._other(method, given, bot)

    def _of_another(self, bot: str, method: str, given: Mapping[str, Any]) -> Answer:
        """What another bot is told of itself, and where its updates go."""
        hook = self._others.setdefault(bot, Hook())
        if method == "getme":
            return _ok(BOT_USER | ABILITIES | {"id": int(bot), "username": f"simulated_{bot}_bot"})
        if method == "getwebhookinfo":
            return _ok(hook.info(0))
        hook.set(given if method == "setwebhook" else {**given, "url": ""})
        return _ok(True, "Webhook was set" if hook.url else "Webhook was deleted")

    def _authorized(self, path: Sequence[str]) -> str:
        """The bot that the token is of."""
        place = path[1:2] if path[:1] == ("file",) else path[:1]
        name = place[0] if place else ""
        if len(path) < 2 or not TOKEN.fullmatch(name):
            raise Refused(404, 404)
        bot, _, secret = name.removeprefix("bot").partition(":")
        if not hmac.compare_digest(secret.encode(), self._secret):
            raise Refused(401, 401)
        return bot

    def _other(self, method: str, given: Mapping[str, Any], bot: str) -> Answer | Poll:
        if bot != BOT and method in HOOKS:
            return self._of_another(bot, method, given)
        if method == "getfile":
            return self._place(given)
        if method == "getupdates":
            return self._poll(given)
        if method in {"setwebhook", "deletewebhook"}:
            return self._set_webhook(given if method == "setwebhook" else {**given, "url": ""})
        if method in SIGNALS:
            return self._signal(method, given)
        told: dict[str, Callable[[], Any]] = {
            "getme": lambda: BOT_USER | ABILITIES,
            "getwebhookinfo": lambda: self.webhooks.info(self.pending()),
            "getchat": lambda: (
                telegram_messages.chat_of(telegram_sends.place_of(given, self.chats).address)
                | {"accent_color_id": 0, "max_reaction_count": 11}
            ),
            **dict.fromkeys(DONE, lambda: True),
        }
        if method not in told:
            raise Refused(404, 404, words="Not Found: method not found")
        return _ok(told[method]())

    def _signal(self, method: str, given: Mapping[str, Any]) -> Answer:
        """What shows in passing; of presses and of businesses' chats it must be there."""
        if method == "answercallbackquery":
            self.chats.answer(str(given.get("callback_query_id") or ""))
        else:
            where = telegram_sends.place_of(given, self.chats)
            if method == "sendchataction" and not given.get("action"):
                raise bad("wrong parameter action in request")
            if method == "readbusinessmessage" and not where.business:
                raise bad("business connection not found")
        return replace(_ok(True), signal=SIGNALS[method])

    def _set_webhook(self, given: Mapping[str, Any]) -> Answer:
        self.webhooks.set(given)
        self._was_set = True
        self.polled = not self.webhooks.url
        self.drops_pending = str(given.get("drop_pending_updates", "")).lower() in {"true", "yes", "1"}
        return _ok(True, "Webhook was set" if self.webhooks.url else "Webhook was deleted")

    def _text(self, given: Mapping[str, Any]) -> Send:
        text = str(given.get("text") or "")
        if not text:
            raise bad("message text is empty")
        if len(text.encode(errors="replace")) > LONGEST_BYTES:
            raise bad("text is too long")
        if str(given.get("parse_mode") or "").lower() not in PARSE_MODES:
            raise bad("unsupported parse_mode")
        where = telegram_sends.place_of(given, self.chats)
        if not text.strip():
            raise bad("text must be non-empty")
        if len(text) > LONGEST_TEXT:
            raise bad("message is too long")
        shown = telegram_sends.shown(given, text)
        quoted = telegram_sends.quoted(given, where, self.chats)
        return Send(self.account, where.address, text, within_s=None, content=shown, reply_to=quoted)

    def _file(self, kind: str, given: Mapping[str, Any], files: Mapping[str, forms.File]) -> Send:
        caption, uploaded = str(given.get("caption") or ""), self._uploaded(kind, given, files)
        link = str(given.get(kind) or "")
        if uploaded is None and not link:
            raise bad(f"there is no {kind} in the request")
        where = telegram_sends.place_of(given, self.chats)
        if len(caption) > LONGEST_CAPTION:
            raise bad("message caption is too long")
        kept = uploaded or self.media_store.known(link)
        if kept is None and not link.startswith(("http://", "https://")):
            raise bad("wrong file identifier/HTTP URL specified")
        media = self.media_store.url(kept.media_id) if kept else link
        quoted = telegram_sends.quoted(given, where, self.chats)
        content = {"type": "media", "kind": kind} if kind in {"voice", "animation", "sticker"} else {}
        return Send(self.account, where.address, caption, "", media, kind, kept, None, content, quoted)

    def _album(self, given: Mapping[str, Any], files: Mapping[str, forms.File]) -> Album:
        """Two to ten: pictures and films, or documents, or sounds. Each is checked as if it came alone."""
        group = str(self._ids.next())
        return Album(
            tuple(
                replace(self._file(kind, {**given, "caption": caption, kind: media}, files), group=group)
                for kind, media, caption in telegram_sends.album(given)
            )
        )

    def _uploaded(self, kind: str, given: Mapping[str, Any], files: Mapping[str, forms.File]) -> Attached | None:
        """The file that came with the call: under its own name, or under the one that attach://… says."""
        file = files.get(str(given.get(kind, "")).removeprefix("attach://")) or files.get(kind)
        if file is None:
            return None
        if not file.content:
            raise bad("file must be non-empty")
        if len(file.content) > UPLOAD_BYTES.get(kind, LARGEST_UPLOAD):
            raise Refused(413, 413, words="Request Entity Too Large")
        return self.media_store.put(file.filename, file.mime_type, file.content, kind)

    def _place(self, given: Mapping[str, Any]) -> Answer:
        attached = self.media_store.known(str(given.get("file_id") or ""))
        if attached is None:
            raise bad("invalid file_id")
        if attached.size > DOWNLOAD_BYTES:
            raise bad("file is too big")
        named = {"file_id": attached.media_id, "file_unique_id": attached.media_id[-8:], "file_size": attached.size}
        return _ok(named | {"file_path": telegram_messages.path_of(attached)})

    def _poll(self, given: Mapping[str, Any]) -> Poll:
        if not self.polled:
            raise Refused(409, 409, words=ACTIVE)
        self.webhooks.allow(given.get("allowed_updates"))
        limit = max(1, min(_whole(given, "limit", MOST_UPDATES), MOST_UPDATES))
        return Poll(_whole(given, "offset", 0), limit, max(0, min(_whole(given, "timeout", 0), LONGEST_POLL_S)))

    def new_id(self, address: str) -> str:
        """<chat>:<message_id>, which is how Telegram's ids are told apart."""
        return telegram_chats.place(address).id_of(self._ids.next())

    def taken(self, send: Send, provider_id: str) -> bytes:
        """The message as it was sent, or as it is after a change; of other changes, that they are made."""
        if send.kind in telegram_sends.DONE:
            for each in send.content.get("targets", []):
                self.chats.drop(each)
            return encode({"ok": True, "result": True})
        if send.kind == "edit":
            return encode({"ok": True, "result": self._changed(send.content["target"], send)})
        message = telegram_messages.sent(send, int(provider_id.rpartition(":")[2]), self.clock.now())
        return encode({"ok": True, "result": self.chats.keep(provider_id, message)})

    def taken_together(self, sends: Sequence[Send], provider_ids: Sequence[str]) -> bytes:
        """All messages of an album, by their order."""
        now = self.clock.now()
        made = [
            telegram_messages.sent(send, int(provider_id.rpartition(":")[2]), now)
            for send, provider_id in zip(sends, provider_ids, strict=True)
        ]
        return encode({"ok": True, "result": [self.chats.keep(*each) for each in zip(provider_ids, made, strict=True)]})

    def _changed(self, target: str, send: Send) -> dict[str, Any]:
        """A message with other words. Buttons that are not sent again are gone."""
        number, now = int(target.rpartition(":")[2]), self.clock.now()
        known = self.chats.find(target) or telegram_messages.sent(Send(send.account, send.to, send.text), number, now)
        rest = {name: each for name, each in known.items() if name != "reply_markup"}
        words = {"text" if "text" in rest else "caption": send.text, "edit_date": now // 1000}
        return self.chats.keep(target, rest | words)

    def refused(self, refused: Refused) -> Answer:
        """ok: false, and retry_after in the body."""
        said = refused.words or CODES.get(refused.code, "Internal Server Error")
        error: dict[str, Any] = {"ok": False, "error_code": refused.code, "description": said}
        if refused.code == 429:
            wait = max(1, round(refused.retry_after or 1))
            error |= {"description": f"Too Many Requests: retry after {wait}", "parameters": {"retry_after": wait}}
        return Answer(encode(error), refused.status)

    def outside_window(self) -> None:
        """A bot may write for ever to whoever wrote to it once."""

    def nobody(self) -> Refused:
        """Nobody of this id has ever started the bot."""
        return bad("chat not found")

    def unfit(self, send: Send, found: Fetched | None) -> Refused | None:
        """Links are fetched before the answer."""
        if found is None:
            return bad("failed to get HTTP URL content")
        most = largest(self.takes[send.kind], found.mime_type)
        if most is None:
            return bad("wrong type of the web page content")
        return bad("wrong file identifier/HTTP URL specified") if found.size > most else None

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """There are none."""
        raise NotImplementedError

    def said(self, said: Said) -> Any:
        """An update of what a person writes or does. As long as nobody said which, all kinds are told."""
        update = telegram_said.update(said, self.chats)
        if update is None or (self._was_set and not self.webhooks.allows(update[0])):
            return None
        told = {"update_id": self._ids.next(), update[0]: update[1]}
        return told if said.account == self.account else told | {ANOTHER: said.account}

    def webhook(self, contents: Sequence[Any]) -> bytes:
        """One update. It does not say which bot it is of."""
        return encode({name: each for name, each in contents[0].items() if name != ANOTHER})

    def addressed(self, contents: Sequence[Any], body: bytes) -> tuple[str, dict[str, str]]:
        """Where its bot's updates go, with that bot's secret."""
        if ANOTHER not in contents[0]:
            return super().addressed(contents, body)
        hook = self._others.get(contents[0][ANOTHER], Hook())
        return hook.url, {"X-Telegram-Bot-Api-Secret-Token": hook.secret}

    def signature(self, body: bytes) -> dict[str, str]:
        """The secret that setWebhook was given."""
        return {"X-Telegram-Bot-Api-Secret-Token": self.webhooks.secret} if self.webhooks.secret else {}

    def updates(self, contents: Sequence[Any]) -> Answer:
        """The answer to getUpdates."""
        return _ok(contents)


def _ok(result: Any, description: str = "") -> Answer:
    told = {"ok": True, "result": result}
    return Answer(encode(told | {"description": description} if description else told))


def _whole(given: Mapping[str, Any], name: str, default: int) -> int:
    text = str(given.get(name, "")).strip()
    return int(text) if is_digits(text.removeprefix("-")) else default
