"""`chat4all channels`: what is set up, and connecting to providers."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from chat4all.channels import CHANNELS
from chat4all.cli.app import app
from chat4all.model.failures import Permanent

TOKEN = "123456:AAFakeTokenForTests"


class Provider(ThreadingHTTPServer):
    """Answers everything as told, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.asked: list[tuple[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.asked.append((self.path.rpartition("/")[2].partition("?")[0], body))
        if self.server.status == 200:
            answer = {"ok": True, "result": {"id": 1, "is_bot": True, "first_name": "B", "username": "bot"}, "success": True}
        else:
            answer = {"ok": False, "error_code": 401, "description": "Unauthorized", "error": {"code": 190}}
        content = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer  # noqa: N815  (the library's names)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """All channels talk to it."""
    server = Provider()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("CHAT4ALL_DATA", str(tmp_path))
    for name in CHANNELS:
        monkeypatch.setenv(f"{name.upper()}_API_URL", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["channels", *arguments])


def test_the_list_says_how_each_channel_is_set_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Account, real or simulated, limits, receipts and webhook of every channel, and no secret."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    said = run().output
    assert [line.split()[0] for line in said.splitlines() if not line.startswith(" ")] == list(CHANNELS)
    assert "account 123456  real" in said
    assert "30 messages/s in all; one in 1 s to a person, 3 at once" in said
    assert "1000 bytes a message" in said
    assert "none: SENT is what can be known" in said
    assert "fetched (chat4all polling)" in said
    assert "http://127.0.0.1:8000/channels/whatsapp/webhook (the simulator)" in said
    assert TOKEN.partition(":")[2] not in said
    assert provider.asked == []


def test_a_public_address_is_where_webhooks_are(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each channel's own path below it, also with a slash at its end; connecting tells it to the provider."""
    monkeypatch.setenv("CHAT4ALL_PUBLIC_URL", "https://chat.example/")
    assert "webhook https://chat.example/channels/instagram/webhook" in run().output
    assert run("connect", "telegram").output == "telegram: Telegram @bot; webhook set\n"
    [told] = [body for method, body in provider.asked if method == "setWebhook"]
    assert "chat.example" in told
    assert "channels" in told


def test_all_channels_are_connected(provider: Provider) -> None:
    """Without a name every channel is asked, and says what became of it."""
    said = run("connect")
    assert [line.partition(":")[0] for line in said.output.splitlines()] == list(CHANNELS)
    assert said.exit_code == 0


def test_refused_credentials_are_said_for_each_channel(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each that says which variables to look at, status 1, and no token."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    provider.status = 401
    said = run("connect")
    lines = said.output.splitlines()
    assert len(lines) == len(CHANNELS)
    assert all(f"the provider does not accept the {name.upper()}_" in line for name, line in zip(CHANNELS, lines, strict=True))
    assert TOKEN.partition(":")[2] not in said.output
    assert said.exit_code == 1


def test_a_provider_that_is_away_is_said(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there: one line, not a stack."""
    monkeypatch.setenv("WHATSAPP_API_URL", "http://127.0.0.1:1")
    said = run("connect", "whatsapp")
    assert said.output.startswith("whatsapp: not connected: unreachable")
    assert said.exit_code == 1


@pytest.mark.parametrize(
    ("public_url", "name", "why"),
    [("", "whatsap", "Did you mean whatsapp"), ("http://chat.example", "whatsapp", "must begin with https://")],
)
def test_what_cannot_work_is_refused_before_anybody_is_asked(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, public_url: str, name: str, why: str
) -> None:
    """An unknown channel, and an address that no provider would call."""
    monkeypatch.setenv("CHAT4ALL_PUBLIC_URL", public_url)
    refused = run("connect", name).exception
    assert isinstance(refused, Permanent)
    assert why in refused.detail
    assert provider.asked == []
