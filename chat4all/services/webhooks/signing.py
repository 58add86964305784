"""How a call to an endpoint is signed: by the Standard Webhooks specification, so that any of its libraries verifies it."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from chat4all.model.clock import now_ms
from chat4all.ports.webhooks import Webhook
from chat4all.services.seal import Seal
from chat4all.services.webhooks.secrets import PREFIX, Secrets


def signature(secret: str, event_id: str, at_s: int, body: bytes) -> str:
    """One signature, by HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{event_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signed(secrets: Iterable[str], event_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that say what it is, when it was sent (s UTC), and by whom: one signature for each secret."""
    signatures = " ".join(signature(each, event_id, at_s, body) for each in secrets)
    return {"webhook-id": event_id, "webhook-timestamp": str(at_s), "webhook-signature": signatures}


class Signer:
    """The headers of calls to endpoints."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def headers(self, webhook: Webhook, event_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
        """An endpoint's own headers and the signature of this body. Permanent `sealed` as `Seal.open`."""
        own = self._seal.open(webhook.sealed, Secrets)
        return own.headers | signed(own.valid(now_ms()), event_id, at_s, body)
