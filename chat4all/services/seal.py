"""Seals what only we may read: secrets of outgoing webhooks, and credentials of accounts."""

import base64
import hashlib
from typing import Any, TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chat4all.model.failures import Permanent
from chat4all.settings import KEY_BYTES, Settings, SettingsError

T = TypeVar("T")

# So much of what was opened is remembered.
OPENED_MOST = 4096


class Seal:
    """Seals and opens with the deployment's secret `seal` (CHAT4ALL_SECRET_SEAL), which may be several with commas.

    The first one seals, all of them open: so another can be put in front.
    """

    def __init__(self, settings: Settings) -> None:
        keys = [each.strip() for each in settings.secret("seal").split(",") if each.strip()]
        if any(len(each.encode()) < KEY_BYTES for each in keys):
            raise SettingsError(f"CHAT4ALL_SECRET_SEAL: each of its keys has at least {KEY_BYTES} bytes.")
        each = [Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys]
        self._first, self._fernet = each[0], MultiFernet(each)
        self._opened: dict[bytes, Any] = {}

    def seal(self, plain: Any) -> bytes:
        """What the store keeps of it."""
        return self._fernet.encrypt(msgspec.json.encode(plain))

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the first key opens it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def again(self, sealed: bytes) -> bytes:
        """The same, sealed with the first key. Permanent `sealed` when no key opens it."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise unopened() from None

    def open(self, sealed: bytes, kind: type[T]) -> T:
        """What was sealed, which is of this kind. Permanent `sealed` when no key opens it. What was opened is remembered."""
        if sealed not in self._opened:
            if len(self._opened) >= OPENED_MOST:
                self._opened.clear()
            self._opened[sealed] = self._read(sealed, kind)
        found: T = self._opened[sealed]
        return found

    def _read(self, sealed: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._fernet.decrypt(sealed), type=kind)
        except InvalidToken:
            raise unopened() from None


def unopened() -> Permanent:
    """No key opens it."""
    return Permanent("sealed", "no key in CHAT4ALL_SECRET_SEAL opens it")
