"""Signed URLs of the folder store: a URL contains what it allows, and its signature shows that we wrote it."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from urllib.parse import urlencode


class BadUrl(Exception):
    """The URL allows nothing. `code` is url_expired or url_invalid."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Signer:
    """Signs (method, key, fields) with a secret. The clock gives seconds since 1970."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self.clock = clock

    def query(self, method: str, key: str, life_s: int, **fields: str) -> str:
        """The query string that allows this for so long."""
        signed = {**fields, "expires": str(int(self.clock()) + life_s)}
        return urlencode({**signed, "signature": self._signature(method, key, signed)})

    def check(self, method: str, key: str, query: Mapping[str, str]) -> dict[str, str]:
        """The fields of a query that `query` made for this method and key. BadUrl for any other, and when it is over."""
        fields = {name: value for name, value in query.items() if name != "signature"}
        wanted = self._signature(method, key, fields)
        if not hmac.compare_digest(query.get("signature", "").encode(), wanted.encode()):
            raise BadUrl("url_invalid")
        if int(fields["expires"]) < self.clock():
            raise BadUrl("url_expired")
        return fields

    def _signature(self, method: str, key: str, fields: Mapping[str, str]) -> str:
        # Encoded, so that no value can end one line and begin another.
        said = "\n".join((method, key, urlencode(sorted(fields.items()))))
        return urlsafe_b64encode(hmac.new(self._secret, said.encode(), hashlib.sha256).digest()).decode().rstrip("=")
