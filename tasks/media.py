"""Fetching what people send through a provider: asked for, streamed into the object store, with limits of size and time."""

import hashlib
import time
from collections.abc import Callable, Iterator
from functools import cache

import requests
from msgspec.structs import replace

from chat4all import telemetry
from chat4all.channels import open_channel
from chat4all.failures import Failure, Permanent, Temporary
from chat4all.files import ANY_TYPE, FileStatus, StoredFile, checked_type
from chat4all.filing import Filing
from chat4all.ports import Channel, Fetch
from chat4all.settings import Settings
from tasks.parts import Parts

log = telemetry.logger(__name__)

TRIES = 8
CONNECT_S = 5.0
CHUNK = 256 << 10
ANSWER_MOST = 1 << 20


def fetch(held: Parts, file_id: str) -> None:
    """Bring a file's bytes into the store. After a failure that may pass the sweep asks again, so many times."""
    file = held.store.files([file_id]).get(file_id)
    if file is None or file.status is not FileStatus.UPLOADING or not file.media:
        return
    filing = Filing(held.store, held.objects, held.settings)
    try:
        _bring(held, filing, file)
    except Permanent as failure:
        filing.refused(file, failure.reason)
        log.warning("media_not_fetched", channel=file.channel, file_id=file_id, reason=failure.reason)
    except Temporary as failure:
        if file.tries + 1 >= TRIES:
            filing.refused(file, failure.reason)
        else:
            filing.changed(file, tries=file.tries + 1)
        raise


@cache
def _channel(name: str, settings: Settings) -> Channel:
    """Used for what it knows, not for its connections: those belong to the loop that sends."""
    return open_channel(name, settings)


def _bring(held: Parts, filing: Filing, file: StoredFile) -> None:
    settings = held.settings
    channel = _channel(file.channel, settings)
    until = time.monotonic() + settings.file_fetch_s
    with requests.Session() as session:
        session.max_redirects = 3
        lookup = channel.media_lookup(file.media)
        answer = b""
        if lookup is not None:
            with _got(session, lookup, channel, settings) as response:
                answer = b"".join(_limited(response, ANSWER_MOST, until))
        place = channel.media_place(file.media, answer)
        with _got(session, place, channel, settings) as response:
            digest = hashlib.sha256()
            size = held.objects.put(
                file.file_id, _hashed(_limited(response, settings.inbound_file_limit, until), digest.update)
            )
            shown = response.headers.get("Content-Type", "")
    if not size:
        held.objects.remove([file.file_id])
        raise Permanent("media_empty")
    filing.finished(_typed(file, shown), digest.hexdigest(), size)


def _typed(file: StoredFile, shown: str) -> StoredFile:
    """The type that came with the bytes, where the message did not say one."""
    if file.mime_type != ANY_TYPE:
        return file
    try:
        return replace(file, mime_type=checked_type(shown, file.filename))
    except ValueError:
        return file


def _got(session: requests.Session, wanted: Fetch, channel: Channel, settings: Settings) -> requests.Response:
    """The answer, its body not yet read. What the library raises may hold a secret, so only its kind is repeated."""
    if channel.account.real and not wanted.url.startswith("https://"):
        raise Permanent("media_insecure")
    try:
        timeout = (CONNECT_S, settings.provider_timeout_s)
        response = session.get(wanted.url, headers=wanted.headers, stream=True, timeout=timeout)
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
        raise Permanent("media") from None
    except requests.RequestException as error:
        raise Temporary("media_unreachable", type(error).__name__) from None
    if response.status_code == 200:
        return response
    response.close()
    raise _refusal(response.status_code)


def _refusal(status: int) -> Failure:
    if status in (401, 403, 429) or status >= 500:
        return Temporary("media_refused", f"HTTP {status}")
    return Permanent("media_gone", f"HTTP {status}")


def _limited(response: requests.Response, most: int, until: float) -> Iterator[bytes]:
    size = 0
    if int(response.headers.get("Content-Length") or 0) > most:
        raise Permanent("media_too_large")
    try:
        for chunk in response.iter_content(CHUNK):
            size += len(chunk)
            if size > most:
                raise Permanent("media_too_large")
            if time.monotonic() > until:
                raise Temporary("media_too_slow")
            yield chunk
    except requests.RequestException as error:
        raise Temporary("media_unreachable", type(error).__name__) from None


def _hashed(chunks: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for chunk in chunks:
        update(chunk)
        yield chunk
