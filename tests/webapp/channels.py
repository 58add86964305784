"""Two channels for tests, in the plainest form that keeps the contract: webhooks are JSON lists of updates."""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chat4all.model.content import Media
from chat4all.model.records import ProviderReceipt
from chat4all.ports import (
    Account,
    Channel,
    Consented,
    Inbound,
    Limits,
    MediaSource,
    Moved,
    Outgoing,
    Reached,
    Unclaimed,
    Unreadable,
    Update,
)

SIGNATURE = "not a secret"
# When people write who do not say when.
AT = 1_700_000_000_000


class PlainChannel(Channel):
    """Addresses are "+" and digits. A webhook is [{"type": "inbound" | "receipt", ...}] with the header x-signature."""

    name = "plain"
    limits = Limits(4096, 80, 6, 45, True, frozenset({"sent", "delivered", "read", "failed"}))

    def __init__(self) -> None:
        self.account = Account(f"{self.name}-account", False)

    def address(self, text: str) -> str:
        written = text.replace(" ", "").lstrip("+")
        if not re.fullmatch(r"[0-9]{7,15}", written):
            raise ValueError("a number with its country code, such as +5511999990000")
        return f"+{written}"

    def challenge(self, query: Mapping[str, str]) -> str | None:
        return query.get("challenge") if query.get("token") == SIGNATURE else None

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        return hmac.compare_digest(headers.get("x-signature", ""), SIGNATURE)

    def read_webhook(self, body: bytes) -> Sequence[Update]:
        try:
            parts = json.loads(body)
        except ValueError:
            return [Unreadable("not a webhook")]
        return [self._read(part) for part in parts]

    def _read(self, part: dict[str, str]) -> Update:
        if part.get("account", self.account.account_id) != self.account.account_id:
            return Unclaimed(part["account"])
        if part["type"] == "inbound":
            fields: dict[str, Any] = {name: value for name, value in part.items() if name not in ("type", "account")}
            return Inbound(self.name, self.account.account_id, **{"at": AT} | fields)
        if part["type"] == "moved":
            return Moved(self.name, self.account.account_id, part["address"], part["to"])
        if part["type"] == "reached":
            return Reached(self.name, self.account.account_id, part["address"], part["why"], int(part["at"]))
        if part["type"] == "consented":
            granted = part["state"] == "granted"
            return Consented(self.name, self.account.account_id, (part["address"],), granted, int(part["at"]))
        if part["type"] == "unreadable":
            return Unreadable("message")
        return ProviderReceipt(self.name, self.account.account_id, part["provider_id"], part["kind"], AT)

    async def check(self) -> str:
        return "checked"

    async def connect(self, webhook_url: str) -> str:
        return "connected"

    async def send_text(self, message: Outgoing) -> str:
        return "sent"

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        return "sent"

    async def close(self) -> None:
        return None


class WhatsAppLike(PlainChannel):
    name = "whatsapp"


class InstagramLike(PlainChannel):
    """Takes 1,000 bytes."""

    name = "instagram"
    limits = Limits(1000, 300, 1, 10, False, frozenset({"read"}), "bytes")


def both() -> dict[str, Channel]:
    return {channel.name: channel for channel in (WhatsAppLike(), InstagramLike())}
