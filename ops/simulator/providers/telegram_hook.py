"""What a bot's webhook is, as setWebhook was told and getWebhookInfo tells it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from ops.simulator.model import Refused
from ops.simulator.providers.provider import is_digits

MOST_CONNECTIONS = 100
CONNECTIONS = 40
SECRET_LENGTH = 256
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# All that bots can be told; the last three only when they are asked for.
UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "chat_member",
    "message_reaction",
    "message_reaction_count",
)
UNASKED = frozenset(UPDATES[:-3])


class Hook(Struct):
    """Empty `url`: updates are fetched. `allowed`: None for all that come unasked."""

    url: str = ""
    secret: str = ""
    connections: int = CONNECTIONS
    ip_address: str = "127.0.0.1"
    allowed: frozenset[str] | None = None
    error: str = ""
    error_at: int = 0

    def allows(self, kind: str) -> bool:
        """Whether updates of this kind are told."""
        return kind in (UNASKED if self.allowed is None else self.allowed)

    def allow(self, given: Any) -> None:
        """Keep a list of kinds, as JSON or read. What is no list changes nothing, and an empty one means the default."""
        kinds = _listed(given)
        if kinds is not None:
            known = frozenset(kinds) & set(UPDATES)
            self.allowed = known or None

    def set(self, given: Mapping[str, Any]) -> None:
        """What setWebhook says. Refused when Telegram would not take it."""
        url, secret = str(given.get("url", "")), str(given.get("secret_token", ""))
        if len(secret) > SECRET_LENGTH:
            raise Refused(400, words="Bad Request: secret token is too long")
        if not all(each.isascii() and (each.isalnum() or each in "-_") for each in secret):
            raise Refused(400, words="Bad Request: secret token contains unallowed characters")
        place = urlsplit(url)
        if url and place.scheme != "https" and place.hostname not in LOOPBACK:
            raise Refused(400, words="Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        wanted = str(given.get("max_connections", ""))
        self.connections = max(1, min(int(wanted), MOST_CONNECTIONS)) if is_digits(wanted) else CONNECTIONS
        self.url, self.secret, self.error, self.error_at = url, secret, "", 0
        self.ip_address = str(given.get("ip_address") or "127.0.0.1")
        self.allow(given.get("allowed_updates"))

    def info(self, pending: int) -> dict[str, Any]:
        """What getWebhookInfo says."""
        told: dict[str, Any] = {"url": self.url, "has_custom_certificate": False, "pending_update_count": pending}
        if self.url:
            told |= {"max_connections": self.connections, "ip_address": self.ip_address}
        if self.error:
            told |= {"last_error_date": self.error_at, "last_error_message": self.error}
        if self.allowed is not None:
            told["allowed_updates"] = [each for each in UPDATES if each in self.allowed]
        return told


def _listed(given: Any) -> Sequence[str] | None:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        return None
    return [each.lower() for each in given]
