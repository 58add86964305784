"""A provider's call to our webhook, as it was: an event of its own kind, sent on to endpoints that ask for it. Pure.

Nothing is read of it here. Only its verified bytes and the headers that a channel names are in it: no token of ours.
"""

import hashlib
import zlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from chat4all.model.events import FORWARDED, Event
from chat4all.model.ids import made_id
from chat4all.model.records import partition_of

# Bytes of a body: no provider sends as much. And of what is kept of it in the log.
BODY_MOST = 8 << 20
KEPT_MOST = 1 << 20
JSON = "application/json"


class ProviderCall(Struct, frozen=True):
    """What a provider sent, to which account of ours. `headers` have lower-case names.

    `others`: further accounts of the app that signed it, to which it may be as well.
    """

    channel: str
    account: str
    headers: dict[str, str]
    body: bytes
    others: tuple[str, ...] = ()


def forwarded_id(provider_call: ProviderCall) -> str:
    """The same when the provider repeats it: it does, as long as we do not answer 200."""
    return made_id("forwarded", provider_call.channel, provider_call.account, hashlib.sha256(provider_call.body).hexdigest())


def forwarded_event(provider_call: ProviderCall, at: int, partitions: int) -> Event | None:
    """The event that says it; None: it is too large. Its body is no chat.v1.Event: streams do not tell it."""
    name = forwarded_id(provider_call)
    kept = msgspec.msgpack.encode(msgspec.structs.replace(provider_call, body=zlib.compress(provider_call.body, 1)))
    if len(kept) > KEPT_MOST or len(provider_call.body) > BODY_MOST:
        return None
    return Event(FORWARDED, "", partition_of(name, partitions), kept, subject=name, at=at)


def provider_call_of(body: bytes) -> ProviderCall:
    """What the body of such an event says. ValueError when it is none."""
    try:
        kept = _decode(body)
        inflating = zlib.decompressobj()
        found = inflating.decompress(kept.body, BODY_MOST)
    except (msgspec.MsgspecError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(str(error)) from error
    if not inflating.eof:
        raise ValueError("cut off, or too large")
    return msgspec.structs.replace(kept, body=found)


def headers_of(provider_call: ProviderCall) -> Mapping[str, str]:
    """What is said beside the body: the provider's headers, and whence it came."""
    return {
        **provider_call.headers,
        "webhook-channel": provider_call.channel,
        "webhook-account": ",".join((provider_call.account, *provider_call.others)),
    }


_decode = msgspec.msgpack.Decoder(ProviderCall).decode
