"""The HTTP half of the client: one call, repeated where that is safe and may help, with a token that is renewed when needed."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
from msgspec import Struct
from requests.adapters import HTTPAdapter

from chat4all.model.backoff import Backoff
from chat4all.model.clock import now_ms

AGAIN = frozenset({429, 502, 503, 504})
UNREACHABLE = 0
UNAUTHENTICATED = 401
RENEW_BEFORE_MS = 30_000
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
WAITS = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
LONGEST_RETRY_AFTER_S = 60.0
CONNECTIONS = 32


class ApiError(Exception):
    """The server said no, or nothing. `status` is 0 when it could not be reached; `code` is stable, `detail` for people.

    After `outcome_unknown` or status 0 a message may have been accepted: send it again with the same `message_id`.
    """

    def __init__(self, status: int, code: str, detail: str, body: dict[str, Any] | None = None) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.body = body or {}

    @property
    def may_pass(self) -> bool:
        """Whether the same again may work later."""
        return self.status in AGAIN or self.status == UNREACHABLE or self.code == "request_under_way"

    @property
    def message_id(self) -> str:
        """The message that this is about, where there is one."""
        return str(self.body.get("message_id", ""))


class Tokens(Struct, frozen=True):
    """What a login gave. `expires_at`: when the access token ends, ms UTC; 0 when that is not known."""

    access: str
    refresh: str = ""
    expires_at: int = 0


class Connection:
    """One account's way to a gateway. Safe to use from several threads; `chat4all.client.Client` documents the arguments."""

    def __init__(
        self,
        base_url: str,
        tokens: Tokens | None = None,
        keep: Callable[[Tokens], None] | None = None,
        timeout_s: float = 10.0,
        tries: int = 6,
        newest: Callable[[], Tokens | None] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.tries = tries
        self.tokens = tokens
        self._keep = keep
        self._newest = newest
        self._renewing = threading.Lock()
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        self._session.close()

    def token(self) -> str:
        """An access token that is still good for a while. ApiError 401 when there is no login, or it has run out."""
        tokens = self.tokens
        if tokens is None:
            raise ApiError(UNAUTHENTICATED, "not_logged_in", "not logged in")
        if tokens.refresh and tokens.expires_at and tokens.expires_at - RENEW_BEFORE_MS < now_ms():
            return self.renew(tokens).access
        return tokens.access

    def renew(self, stale: Tokens) -> Tokens:
        """New tokens instead of `stale`; those that another thread got meanwhile, if it did."""
        with self._renewing:
            if self.tokens is not None and self.tokens is not stale:
                return self.tokens
            # Another process of ours may have renewed it: the refresh token that we have is then used up.
            kept = self._newest() if self._newest else None
            if kept is not None and kept != stale:
                self.tokens = stale = kept
                if kept.expires_at - RENEW_BEFORE_MS > now_ms():
                    return kept
            if not stale.refresh:
                raise ApiError(UNAUTHENTICATED, "token_expired", "the login has run out")
            return self.take(self.call("POST", "/auth/refresh", {"refresh_token": stale.refresh}, with_token=False))

    def take(self, answer: dict[str, Any]) -> Tokens:
        """Use these tokens from now on, as /auth/* gave them."""
        self.tokens = Tokens(answer["access_token"], answer["refresh_token"], int((time.time() + answer["expires_in"]) * 1000))
        if self._keep:
            self._keep(self.tokens)
        return self.tokens

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        *,
        is_repeatable: bool = True,
        with_token: bool = True,
        key: str = "",
    ) -> dict[str, Any]:
        """The decoded answer. ApiError when it is a refusal, or after all tries.

        is_repeatable: making the call twice is the same as once. Without it only what surely did not arrive is repeated.
        key: an Idempotency-Key.
        """
        more = {"Idempotency-Key": key} if key else {}
        for number in range(self.tries):
            try:
                return self._once(method, path, body, params, with_token, more)
            except ApiError as error:
                is_sure = error.status != UNREACHABLE or error.code == "not_connected"
                if not error.may_pass or number + 1 == self.tries or not (is_repeatable or is_sure):
                    raise
                time.sleep(wait_s(number, error.body.get("retry_after", 0)))
        raise ValueError("tries is less than one")

    def pages(self, path: str, name: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """What a list has under `name`, page by page. Each is asked for when the one before is used up."""
        after: str | None = ""
        while after is not None:
            page = self.call("GET", path, params={**(params or {}), **({"after": after} if after else {})})
            yield from page[name]
            after = page.get("next")

    def _once(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        params: dict[str, Any] | None,
        with_token: bool,
        more: dict[str, str],
    ) -> dict[str, Any]:
        """One request; after a 401 one more with a new token."""
        used = self.tokens
        answer = self._request(method, path, body, params, self.token() if with_token else "", more)
        if answer.status_code == UNAUTHENTICATED and with_token and used is not None and used.refresh:
            answer = self._request(method, path, body, params, self.renew(used).access, more)
        return _read(answer, body)

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        params: dict[str, Any] | None,
        token: str,
        more: dict[str, str],
    ) -> requests.Response:
        headers = more | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            return self._session.request(
                method, self.base_url + path, json=body, params=params, headers=headers, timeout=self.timeout_s
            )
        except requests.ConnectTimeout:
            raise ApiError(UNREACHABLE, "not_connected", f"no connection to {self.base_url}", _ids(body)) from None
        except requests.RequestException:
            raise ApiError(UNREACHABLE, "unreachable", f"no answer from {self.base_url}", _ids(body)) from None


def wait_s(number: int, retry_after: float = 0) -> float:
    """How long to wait after try `number` (from 0): doubling with jitter, or what the server asks for, within a minute."""
    if retry_after:
        return min(float(retry_after), LONGEST_RETRY_AFTER_S)
    return random.uniform(0.5, 1.0) * WAITS.after(number + 1)  # noqa: S311


def _read(answer: requests.Response, sent: dict[str, Any] | None) -> dict[str, Any]:
    try:
        body = answer.json() if answer.content else {}
    except requests.JSONDecodeError:
        body = {}
    if not isinstance(body, dict):
        body = {"body": body}
    if answer.ok:
        return body
    known = {**_ids(sent), **body, "retry_after": _seconds(answer.headers.get("Retry-After", ""))}
    detail = ", ".join(f"{each['field']}: {each['detail']}" for each in body.get("errors", []))
    code = str(body.get("code", "http_error"))
    raise ApiError(answer.status_code, code, detail or str(body.get("detail", answer.reason)), known)


def _ids(body: dict[str, Any] | None) -> dict[str, Any]:
    return {"message_id": body["message_id"]} if body and "message_id" in body else {}


def _seconds(header: str) -> float:
    """Retry-After in seconds; a date is passed over."""
    return float(header) if header.isdigit() else 0.0
