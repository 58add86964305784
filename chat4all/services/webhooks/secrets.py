"""What only an endpoint and we know: the secrets that it checks signatures with, and the headers that it wants. Kept sealed."""

import base64
import secrets

from msgspec import Struct

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

    def __repr__(self) -> str:
        """Without what it holds: it may come into a log."""
        return "Secrets(…)"

    def valid(self, now_ms: int) -> list[str]:
        """The secrets to sign with at this time, the newest first."""
        return [self.secret, *([self.old] if self.old and now_ms < self.old_until else [])]

    def rotated(self, now_ms: int, old_valid_s: int) -> "Secrets":
        """With a new secret."""
        return Secrets(new_secret(), self.secret, now_ms + old_valid_s * 1000, self.headers)


def new_secret() -> str:
    """As the Standard Webhooks specification writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether a library of the specification takes this: `whsec_` and 24 to 64 bytes in base64."""
    try:
        return text.startswith(PREFIX) and 24 <= len(base64.b64decode(text.removeprefix(PREFIX), validate=True)) <= 64
    except ValueError:
        return False
