"""A provider for tests of accounts: Meta's Graph API and the Bot API as far as a check asks."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chat4all.channels import CHANNELS

NUMBER = {"display_phone_number": "+1 555", "verified_name": "Shop", "status": "CONNECTED", "quality_rating": "GREEN"}


class Provider:
    """Knows one account of each kind, and `others` besides: bots, or by id.

    What a test changes of `wrong` is what is wrong there; `calls`: what was asked."""

    def __init__(self) -> None:
        self.token, self.secret = "t0ken-of-the-provider", "app-s3cret-of-the-provider"
        self.account, self.bot = "4200", "77:b0t-token-of-the-provider"
        self.others: list[str] = []
        self.wrong: dict[str, Any] = {}
        self.hook = {"url": ""}
        self.calls: list[str] = []
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = answer(self.path, self.headers.get("Authorization", ""))
                said = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_POST = do_DELETE = do_GET  # noqa: N815 - as the library calls it

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, authorization: str) -> tuple[int, Any]:
        """One call."""
        place, query = urlsplit(path).path, {name: some[0] for name, some in parse_qs(urlsplit(path).query).items()}
        self.calls.append(place)
        if place.startswith("/bot"):
            return self._telegram(place)
        if error := self.wrong.get("error"):
            return 400, {"error": {"message": "no", "code": error[0], "error_subcode": error[1]}}
        if authorization != f"Bearer {self.token}":
            return 401, {"error": {"message": "no", "code": 190}}
        name = place.rsplit("/", 1)[-1]
        told = {
            "debug_token": {"app_id": "1", "scopes": self.wrong.get("scopes", SCOPES)} | self.wrong.get("debug", {}),
            "subscribed_apps": self.wrong.get("apps", [{"id": "1", "subscribed_fields": ["messages"]}]),
        }
        if name in told:
            return 200, {"data": told[name]}
        if name == "refresh_access_token":
            return self._renewed(query)
        proof = hmac.new(self.secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()
        if query.get("appsecret_proof", proof) != proof:
            return 400, {"error": {"message": "Invalid appsecret_proof", "code": 100}}
        if name == "message_templates":
            return 200, {"data": [TEMPLATE], "id": "1", "status": "PENDING", "category": "UTILITY", "success": True}
        if name not in (self.account, *self.others):
            return 400, {"error": {"message": "no", "code": 100, "error_subcode": 33}}
        if query.get("fields") == "whatsapp_business_account":
            return 200, {"whatsapp_business_account": {"id": self.wrong.get("business", "9")}}
        return 200, NUMBER | {"id": name, "name": "Shop"} | self.wrong.get("number", {})

    def _renewed(self, query: dict[str, str]) -> tuple[int, Any]:
        if (query.get("access_token"), query.get("grant_type")) != (self.token, "ig_refresh_token"):
            return 400, {"error": {"code": 100}}
        self.token = self.wrong.get("renewed", self.token)
        return 200, {"access_token": self.token, "expires_in": 5_184_000}

    def _telegram(self, place: str) -> tuple[int, Any]:
        bot = next((each for each in (self.bot, *self.others) if place.startswith(f"/bot{each}/")), "")
        if not bot:
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        if place.endswith("/getWebhookInfo"):
            hook = {"has_custom_certificate": False, "pending_update_count": 0} | self.hook
            return 200, {"ok": True, "result": hook}
        return 200, {
            "ok": True,
            "result": {"id": int(bot.partition(":")[0]), "is_bot": True, "first_name": "Shop", "username": "shop_bot"},
        }


TEMPLATE = {"name": "order", "language": "en", "status": "APPROVED", "category": "UTILITY", "id": "1", "components": []}
SCOPES = ["whatsapp_business_messaging", "whatsapp_business_management", "pages_messaging", "pages_manage_metadata"]


@contextmanager
def asked_by_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """One that every channel asks meanwhile."""
    made = Provider()
    for name in CHANNELS:
        monkeypatch.setenv(f"{name.upper()}_API_URL", made.url)
    try:
        yield made
    finally:
        made.close()
