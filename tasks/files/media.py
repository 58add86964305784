"""Fetches what people send through a provider: looked up, streamed into the object store, with limits of size and time."""

from collections.abc import Callable, Iterator

import aiohttp
from msgspec.structs import replace

from chat4all.channels import open_channel
from chat4all.model.failures import Failure, Permanent, Temporary
from chat4all.model.file_signatures import true_type
from chat4all.model.files import ANY_TYPE, FileStatus, StoredFile, checked_type, mended_name, name_in
from chat4all.model.url_guard import Refused
from chat4all.ports import Channel, Fetch
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.files.file_lifecycle import FileLifecycle
from chat4all.services.files.http_fetch import Transfer
from chat4all.services.files.seen import Seen
from chat4all.telemetry import logs, metrics
from tasks.files.file_news import tell
from tasks.resources import Parts

log = logs.logger(__name__)

# Five at a time, each some time after the last: a quarter of an hour in all. What is said after the file waits for it.
TRIES = 25
ANSWER_MOST = 1 << 20
# What a browser would show in place of the file: an error, a login, a preview.
PAGE = "text/html"


class Fetcher:
    """Fetches files for one process, on its resources.

    Channels are used for what they know, not for their connections: those belong to the loop that sends.
    """

    def __init__(self, opened: Parts, opens: Callable[..., Channel] = open_channel, live: LiveChannels | None = None) -> None:
        """`live`: the accounts as this process watches them; None: it asks for them each time."""
        self._opened = opened
        self._live = live or LiveChannels(opened.settings, opened.store, opens, every_s=0)

    def fetch(self, file_id: str) -> None:
        """Bring a file's bytes into the store. After a failure that may pass the sweep asks again, so many times."""
        opened = self._opened
        file = opened.store.files([file_id]).get(file_id)
        if file is None or file.status is not FileStatus.UPLOADING or not file.media:
            return
        lifecycle = FileLifecycle(opened.store, opened.objects, opened.settings)
        try:
            _carry(opened, lifecycle, file, self._channel(file))
        except Permanent as failure:
            if isinstance(failure, Refused):
                metrics.FETCHES_REFUSED.of(file.channel, failure.detail).add()
            tell(opened, lifecycle.refused(file, failure.reason))
            log.warning("media_not_fetched", channel=file.channel, file_id=file_id, reason=failure.reason, why=failure.detail)
        except Temporary as failure:
            if file.tries + 1 >= TRIES:
                tell(opened, lifecycle.refused(file, failure.reason))
            else:
                lifecycle.changed(file, tries=file.tries + 1)
            raise

    def _channel(self, file: StoredFile) -> Channel:
        """With the account that it came to, also where that was connected a moment ago."""
        if self._live.named(file.channel, file.account) is None:
            self._live.read()
        return self._live.reading(file.channel, file.account)


def _carry(opened: Parts, lifecycle: FileLifecycle, file: StoredFile, channel: Channel) -> None:
    settings = opened.settings
    with Transfer(channel.media_from, settings.file_fetch_s, settings.provider_timeout_s) as transfer:
        lookup = channel.media_lookup(file.media)
        answer = b"" if lookup is None else b"".join(_body(transfer, _got(transfer, lookup), ANSWER_MOST))
        response = _got(transfer, channel.media_place(file.media, answer))
        shown = response.headers.get("Content-Type", "")
        if file.mime_type == ANY_TYPE and shown.partition(";")[0].strip().lower() == PAGE:
            raise Permanent("media_is_a_page")
        seen = Seen()
        chunks = _body(transfer, response, settings.inbound_file_limit)
        size = opened.objects.put(file.own_key, seen.all(chunks))
    if not size:
        opened.objects.remove([file.own_key])
        raise Permanent("media_empty")
    tell(opened, lifecycle.finished(_known(file, response, seen.head), seen.digest.hexdigest(), size))


def _known(file: StoredFile, response: aiohttp.ClientResponse, head: bytes) -> StoredFile:
    """The file by its true type, and by the name that came with the bytes where the message had none."""
    mime_type = true_type(_said_type(file, response.headers.get("Content-Type", "")), head)
    if file.filename != mended_name("", file.mime_type):
        return replace(file, mime_type=mime_type)
    return replace(file, mime_type=mime_type, filename=mended_name(_name(response), mime_type))


def _said_type(file: StoredFile, shown: str) -> str:
    """The type that the message said, else the one that came with the bytes."""
    try:
        return file.mime_type if file.mime_type != ANY_TYPE else checked_type(shown, file.filename)
    except ValueError:
        return ANY_TYPE


def _name(response: aiohttp.ClientResponse) -> str:
    """What the bytes are called: by the answer, or by their address."""
    given = response.content_disposition.filename if response.content_disposition else ""
    return given or name_in(str(response.url))


def _got(transfer: Transfer, wanted: Fetch) -> aiohttp.ClientResponse:
    """The answer, its body not yet read."""
    try:
        response = transfer.get(wanted.url, wanted.headers)
    except Failure as failure:
        raise _named(failure) from None
    if response.status == 200:
        return response
    response.close()
    raise _refusal(response.status)


def _refusal(status: int) -> Failure:
    if status in (401, 403, 429) or status >= 500:
        return Temporary("media_refused", f"HTTP {status}")
    return Permanent("media_gone", f"HTTP {status}")


def _body(transfer: Transfer, response: aiohttp.ClientResponse, most: int) -> Iterator[bytes]:
    try:
        yield from transfer.body(response, most)
    except Failure as failure:
        raise _named(failure) from None


def _named(failure: Failure) -> Failure:
    """The same, as a file's reason. A refusal keeps its kind: it is counted."""
    return failure if isinstance(failure, Refused) else type(failure)(f"media_{failure.reason}", failure.detail)
