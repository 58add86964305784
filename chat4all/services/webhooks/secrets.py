"""What only an endpoint and we know: the secrets that it checks signatures with, and the headers that it wants. Kept sealed."""

import base64
import hashlib
import secrets

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from msgspec import Struct

from chat4all.model.failures import Permanent
from chat4all.ports.webhooks import Webhook
from chat4all.settings import KEY_BYTES as KEY_LEAST
from chat4all.settings import Settings, SettingsError

PREFIX = "whsec_"
KEY_BYTES = 24
# So long a secret that was replaced still signs beside the new one, unless its owner says otherwise.
OLD_VALID_S = 86_400


class Secrets(Struct, frozen=True, omit_defaults=True):
    """Of one endpoint. `old` signs too until `old_until` (ms UTC). `headers`: sent with every call."""

    secret: str
    old: str = ""
    old_until: int = 0
    headers: dict[str, str] = {}

    def valid(self, now_ms: int) -> list[str]:
        """The secrets to sign with at this time, the newest first."""
        return [self.secret, *([self.old] if self.old and now_ms < self.old_until else [])]

    def rotated(self, now_ms: int, old_valid_s: int) -> "Secrets":
        """With a new secret."""
        return Secrets(new_secret(), self.secret, now_ms + old_valid_s * 1000, self.headers)


def new_secret() -> str:
    """As the Standard Webhooks specification writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class Seal:
    """Seals and opens with the deployment's secret `seal` (CHAT4ALL_SECRET_SEAL), which may be several with commas.

    The first one seals, all of them open: so another can be put in front.
    """

    def __init__(self, settings: Settings) -> None:
        keys = [each.strip() for each in settings.secret("seal").split(",") if each.strip()]
        if any(len(each.encode()) < KEY_LEAST for each in keys):
            raise SettingsError(f"CHAT4ALL_SECRET_SEAL: each of its keys has at least {KEY_LEAST} bytes.")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys])
        self._opened: dict[str, tuple[bytes, Secrets]] = {}

    def seal(self, plain: Secrets) -> bytes:
        """What the store keeps."""
        return self._fernet.encrypt(msgspec.json.encode(plain))

    def open(self, webhook: Webhook) -> Secrets:
        """An endpoint's. Permanent `sealed` when no key opens it. What was opened is remembered until it changes."""
        kept = self._opened.get(webhook.webhook_id)
        if kept and kept[0] == webhook.sealed:
            return kept[1]
        try:
            found = msgspec.json.decode(self._fernet.decrypt(webhook.sealed), type=Secrets)
        except InvalidToken:
            raise Permanent("sealed", "no key in CHAT4ALL_SECRET_SEAL opens it") from None
        self._opened[webhook.webhook_id] = (webhook.sealed, found)
        return found
