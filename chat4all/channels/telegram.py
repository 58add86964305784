"""Telegram's Bot API, through pyTelegramBotAPI. Addresses are chat ids. It sends no receipts, so SENT is the furthest state."""

import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from msgspec import Struct
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from telebot import asyncio_helper
from telebot.async_telebot import AsyncTeleBot

from chat4all.channels import (
    http,
    telegram_address,
    telegram_checks,
    telegram_errors,
    telegram_inbound,
    telegram_media,
    telegram_sending,
)
from chat4all.channels.account_settings import AccountSettings, load, reached
from chat4all.channels.json_fields import decoded, fields
from chat4all.channels.telegram_session import OF_BOTS, Once
from chat4all.model.content import MODIFIERS, Content, Edit, Media, Poll, type_of
from chat4all.model.deliveries import together
from chat4all.model.failures import Failure, Permanent, Temporary, Unknown
from chat4all.model.windows import WindowRule
from chat4all.ports import (
    Account,
    Body,
    Channel,
    Examined,
    Fetch,
    FileLink,
    Limits,
    MediaSource,
    Outgoing,
    Taken,
    Unreadable,
    Update,
)
from chat4all.settings import Settings

SIMULATED_BOT = "1000000001"
API_URL = "https://api.telegram.org"
MEDIA_HOSTS = ("api.telegram.org",)
# Those that are read, and one that says for whom the bot may write. Reactions come only to who asks for them.
UPDATES = [*telegram_inbound.KINDS, "business_connection"]
DOCUMENT = "document"
POLL_LIMIT = 100
# The library writes failed calls to stderr by itself; we raise them.
logging.getLogger("TeleBot").setLevel(logging.CRITICAL)

T = TypeVar("T")


class _FilePath(Struct, frozen=True):
    file_path: str


class _FileAnswer(Struct, frozen=True):
    result: _FilePath


_file = msgspec.json.Decoder(_FileAnswer).decode


class TelegramSettings(AccountSettings):
    """TELEGRAM_…: a bot. Without TELEGRAM_BOT_TOKEN the channel talks to the simulator."""

    model_config = SettingsConfigDict(env_prefix="TELEGRAM_", frozen=True, extra="ignore")
    credentials = ("bot_token", "webhook_secret")
    needed = ("bot_token",)

    @classmethod
    def account_of(cls, given: Mapping[str, str]) -> str:
        """The token begins with the bot's id."""
        return given.get("bot_token", "").partition(":")[0]

    @classmethod
    def of_nobody(cls, account: str) -> dict[str, str]:
        """A token of this bot."""
        return {"bot_token": f"{account}:{secrets.token_hex(32)}", "webhook_secret": secrets.token_hex(32)}

    bot_token: str = Field("", pattern=r"^([0-9]+:[A-Za-z0-9_-]+)?$", description="The bot's token, from @BotFather.")
    webhook_secret: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,256}$", description="What Telegram shows with each webhook; made if empty."
    )
    api_url: str = Field("", description="Where the Bot API is; empty: Telegram, or the simulator without a token.")
    polling: bool | None = Field(
        None, description="Fetch updates instead of being sent them. Unset: a real bot without a public address does."
    )


class Telegram(Channel):
    """One bot."""

    name = "telegram"
    own_settings = TelegramSettings
    carries_bytes = True
    # A fetch waits for updates so long; Telegram answers sooner when one comes.
    poll_s: float = 10
    errors = telegram_errors.ERRORS
    limits = Limits(
        text_length=telegram_sending.TEXT_LENGTH,
        account_per_second=30,
        recipient_interval_s=1,
        recipient_burst=3,
        # A group takes 20 in any minute, whoever of the bot's own wrote them.
        recipient_paces={"-": (3.6, 3)},
        echoes_reference=False,
        receipts=frozenset(),
        file_bytes=telegram_sending.FILE_BYTES,
        upload_bytes=telegram_media.BY_UPLOAD,
        shown=telegram_sending.SHOWN_AS,
        contents=telegram_sending.CONTENTS,
        choices=telegram_sending.CHOICES,
        quotes=True,
        reactions=telegram_sending.REACTIONS,
        cards_most=1,
        cards_need_phone=True,
        signals=telegram_sending.SIGNALS,
        window=WindowRule(first=True),
    )

    def __init__(self, settings: Settings, given: Mapping[str, str] | None = None) -> None:
        own = load(TelegramSettings, given)
        real = bool(own.bot_token)
        token = own.bot_token or f"{SIMULATED_BOT}:{settings.secret('telegram_token')}"
        self.account = Account(token.partition(":")[0], real)
        self.limits = own.limits(Telegram.limits, real, settings.simulated_windows)
        self.retries = own.retries(settings.retry_policy)
        self.polls = (real and not settings.public_url) if own.polling is None else own.polling
        self._secret = own.webhook_secret or settings.secret("telegram_webhook_secret")
        self._timeout_s = settings.provider_timeout_s
        self._offset = 0
        self._refused = telegram_media.Refused()
        base = own.api_url or (API_URL if real else f"{settings.simulator_url}/telegram")
        self.media_from = reached(real, own.api_url, base, MEDIA_HOSTS)
        # The library keeps these for the process, not for the bot: where a bot's calls go, it says in place of its token.
        asyncio_helper.API_URL = "{0}/{1}"
        asyncio_helper.REQUEST_TIMEOUT = ceil(self._timeout_s)
        asyncio_helper.REQUEST_LIMIT = http.CONNECTIONS
        asyncio_helper.session_manager = OF_BOTS
        self._sessions = Once()
        self._bot = AsyncTeleBot(token)
        self._bot.token = f"{base}/bot{token}"
        self._files_at = f"{base}/file/bot{token}"

    @property
    def app(self) -> str:
        """Nothing in an update says which bot it is of: each has a webhook of its own."""
        return self.account.account_id

    def address(self, text: str) -> str:
        """The chat's id: digits, with a minus for groups, and perhaps a topic of it."""
        return telegram_address.place(text).address

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Telegram asks for none."""
        return None

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """The secret that we gave when the webhook was set."""
        given = headers.get("x-telegram-bot-api-secret-token", "")
        return hmac.compare_digest(given.encode(), self._secret.encode())

    def read_webhook(self, body: bytes) -> Sequence[Update]:
        """One update."""
        try:
            update = decoded(body)
        except ValueError:
            return [Unreadable("not a webhook")]
        return telegram_inbound.read(update, self.account.account_id)

    async def check(self) -> str:
        """Who the bot is."""
        me = await self._answered(self._bot.get_me())
        return f"Telegram @{me.username}"

    async def examine(self, webhook_url: str) -> Examined:
        """The bot, and where its updates go."""
        try:
            said = await self.check()
        except Permanent as failure:
            return Examined("", (telegram_checks.refusal(failure),))
        hook = await self._answered(self._bot.get_webhook_info())
        return Examined(said, tuple(telegram_checks.findings(hook.url, hook.last_error_message, webhook_url, self.polls)))

    async def connect(self, webhook_url: str) -> str:
        """Ask who the bot is; set its webhook, or take it away where updates are fetched."""
        bot = await self.check()
        if self.polls:
            await self._answered(self._bot.delete_webhook())
            return f"{bot}; updates are fetched"
        if not webhook_url.startswith("https://"):
            return f"{bot}; no public address, so no webhook is set"
        await self._answered(self._bot.set_webhook(webhook_url, allowed_updates=UPDATES, secret_token=self._secret))
        return f"{bot}; webhook set"

    async def send_text(self, message: Outgoing) -> str:
        """A text, as it is: no markup is read into it."""
        return await self._sent(message, telegram_sending.text(self._bot, message))

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> Taken:
        """A picture, film, sound, voice note, sticker or document: its bytes, what Telegram calls it, or its link.

        A picture that Telegram does not show as one goes as a document: nothing was sent by the first call.
        """
        kind = self._kind_of(file, message.text, by_link=isinstance(source, FileLink))
        try:
            return await self._file_sent(message, file, source, kind)
        except Permanent as failure:
            if failure.reason != telegram_errors.NO_PICTURE or kind == DOCUMENT:
                raise
        self._refused.add(file)
        return await self._file_sent(message, file, source, DOCUMENT)

    async def send_album(self, message: Outgoing, items: Sequence[Media], sources: Sequence[MediaSource]) -> Taken:
        """Pictures and films, or documents, or sounds, in one call, which answers with a message for each.

        Where one of the pictures cannot be shown as one, all are sent as documents, which go among themselves only. None of
        them was sent then. It is tried anew, because what Telegram kept as a picture cannot be named as a document.
        """
        kinds = [self._kind_of(each, "") for each in items]
        if len({telegram_sending.GROUPS[each] for each in kinds}) > 1:
            kinds = [DOCUMENT] * len(items)
        files = [
            (kind, telegram_media.given(*each)) for kind, each in zip(kinds, zip(items, sources, strict=True), strict=True)
        ]
        try:
            sent = await self._call(telegram_sending.album(self._bot, message, files, telegram_media.limit(*sources)), Unknown)
        except Permanent as failure:
            if failure.reason != telegram_errors.NO_PICTURE or DOCUMENT in kinds:
                raise
            for each in items:
                self._refused.add(each)
            raise Temporary(failure.reason, failure.detail) from None
        place = telegram_address.place(message.address)
        uploads = [
            telegram_media.uploaded(kind, one) if isinstance(source, Body) else None
            for kind, one, source in zip(kinds, sent, sources, strict=False)
        ]
        return Taken(together(place.id_of(each.message_id) for each in sent), each_uploaded=tuple(uploads))

    def album_group(self, file: Media) -> str:
        """By what it is sent as."""
        return telegram_sending.GROUPS.get(telegram_sending.kind_of(file, ""), "")

    async def _file_sent(self, message: Outgoing, file: Media, source: MediaSource, kind: str) -> Taken:
        what, how = telegram_media.given(file, source), telegram_media.limit(source)
        sent = await self._call(telegram_sending.file(self._bot, message, kind, what, how), Unknown)
        provider_id = telegram_address.place(message.address).id_of(sent.message_id)
        return Taken(provider_id, uploaded=telegram_media.uploaded(kind, sent) if isinstance(source, Body) else None)

    def shown_as(self, file: Media) -> str:
        """By which method it goes, for an id is good for that one only, and the name that came with it, which people see."""
        return f"{self._kind_of(file, file.text)} {file.filename}"

    def _kind_of(self, file: Media, caption: str, by_link: bool = False) -> str:
        return DOCUMENT if file in self._refused else telegram_sending.kind_of(file, caption, by_link)

    async def send_content(self, message: Outgoing, content: Content) -> str:
        """A place, a card, a poll or choices; or what changes a message that was sent."""
        if isinstance(content, Poll):
            return await self._polled(message, content)
        if not isinstance(content, MODIFIERS):
            return await self._sent(message, telegram_sending.content(self._bot, message, content))
        try:
            await self._change(telegram_sending.changes(self._bot, message, content))
        except Permanent as failure:
            if failure.reason != telegram_errors.NO_TEXT or not isinstance(content, Edit):
                raise
            await self._change(telegram_sending.caption(self._bot, message, content))
        # A change has no id of its own at Telegram.
        return f"{message.targets[-1]}:{type_of(content)}:{message.reference}"

    async def _sent(self, message: Outgoing, sending: Awaitable[Any]) -> str:
        sent = await self._call(sending, Unknown)
        return telegram_address.place(message.address).id_of(sent.message_id)

    async def _polled(self, message: Outgoing, content: Poll) -> str:
        """A poll that tells who voted; in a channel of Telegram's own, which refuses that, one that tells how many.

        Votes name the poll, never the message: it has both ids.
        """
        try:
            sent = await self._call(telegram_sending.poll(self._bot, message, content), Unknown)
        except Permanent as failure:
            if failure.reason != telegram_errors.NO_NAMES:
                raise
            sent = await self._call(telegram_sending.poll(self._bot, message, content, names=False), Unknown)
        number, poll = telegram_address.place(message.address).id_of(sent.message_id), getattr(sent, "poll", None)
        return together((number, telegram_inbound.id_of_poll(poll.id))) if poll else number

    async def _change(self, calls: Iterable[Awaitable[Any]]) -> None:
        """A change that was made already is made."""
        for each in calls:
            try:
                await self._call(each, Unknown)
            except Permanent as failure:
                if failure.reason != telegram_errors.UNCHANGED:
                    raise

    async def signal(self, address: str, kind: str, about: str) -> None:
        """It types, for five seconds; the button that was pressed stops to spin; in a business's chat, what was read."""
        await self._call(telegram_sending.signal(self._bot, address, kind, about), Temporary)

    def media_lookup(self, media: str) -> Fetch | None:
        """getFile, which names a path for the next hour."""
        return Fetch(f"{self._bot.token}/getFile?{urlencode({'file_id': media})}")

    def media_place(self, media: str, answer: bytes) -> Fetch:
        """The file behind that path."""
        try:
            path = _file(answer).result.file_path
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Permanent("media") from None
        return Fetch(f"{self._files_at}/{quote(path)}")

    async def poll(self) -> Sequence[bytes]:
        """Telegram keeps updates for a day until they are acknowledged."""
        # The bot's own get_updates makes objects of them; their words are easier to keep as they came.
        fetching = asyncio_helper.get_updates(  # type: ignore[no-untyped-call]
            self._bot.token,
            offset=self._offset,
            limit=POLL_LIMIT,
            timeout=self.poll_s,
            allowed_updates=UPDATES,
            request_timeout=self.poll_s + self._timeout_s,
        )
        updates = await self._call(fetching, Temporary) or []
        numbers = [number for each in updates if isinstance(number := fields(each).get("update_id"), int)]
        self._offset = max((number + 1 for number in numbers), default=self._offset)
        # Half a character is no UTF-8: escaped, as Telegram sent it.
        return [json.dumps(each).encode() for each in updates]

    async def close(self) -> None:
        """Let go of connections."""
        session = self._sessions.session
        if session is not None and not session.closed:
            await session.close()

    async def _answered(self, asking: Awaitable[T]) -> T:
        """One question. A refused credential is final: a person stands in front of it."""
        try:
            return await self._call(asking, Temporary)
        except Temporary as failure:
            if failure.reason == "credentials":
                raise Permanent(failure.reason, failure.detail) from None
            raise

    async def _call(self, calling: Awaitable[T], lost: type[Failure]) -> T:
        """One call, through this bot's connections."""
        with self._sessions.used():
            return await _made(calling, lost)


async def _made(calling: Awaitable[T], lost: type[Failure]) -> T:
    """One call; what the library raises holds the token, and is not shown to anybody."""
    try:
        return await calling
    except asyncio_helper.ApiTelegramException as error:
        failure = telegram_errors.failure(error.error_code, str(error.description), error.result_json.get("parameters") or {})
    except asyncio_helper.ApiHTTPException as error:
        status = error.result.status
        failure = lost("no_answer", f"HTTP {status}") if status in http.UNANSWERED else Temporary(f"http_{status}")
    except asyncio_helper.RequestTimeout as error:
        cause = error.__cause__
        never_left = isinstance(cause, aiohttp.ClientConnectorError)
        failure = Temporary("unreachable") if never_left else lost("no_answer", type(cause).__name__)
    except Exception as error:  # noqa: BLE001 - the library reads answers as it goes, and raises whatever comes of it
        failure = lost("unreadable_answer", type(error).__name__)
    raise failure from None
