"""Apps and their accounts from the command line."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bridges.road import settings_in
from tests.cli.commands import Typed, as_client
from tests.webapp.graph import Provider, asked_by_all


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with asked_by_all(monkeypatch) as made:
        yield made


@pytest.fixture
def typed(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typed]:
    changed = {"broker": "memory://", "public_url": "https://chat.example"}
    settings = settings_in(tmp_path / "data").model_copy(update=changed)
    with as_client(settings, "manage", monkeypatch, capsys) as made:
        yield made


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Credentials that the next command reads from stdin."""
    return lambda **each: monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(each)))


def test_an_app_is_made_used_changed_and_deleted(typed: Typed, provider: Provider, given: Callable[..., None]) -> None:
    """Its accounts need a token of their own alone; it says where its provider is to call us, and never its secret."""
    given(app_secret=provider.secret, verify_token="v3rify")
    said = typed.fine("app", "create", "whatsapp", "--name", "Shop", "--stdin")
    app = said.split()[1]
    place = f"https://chat.example/channels/whatsapp/apps/{app}/webhook"
    assert said.splitlines()[1:] == [
        f"{app}  whatsapp  api, 0 accounts  Shop",
        f"set {place} as its webhook, with the verify token, in the provider's console",
    ]
    given(token=provider.token)
    made = typed.fine("accounts", "create", "whatsapp", provider.account, "--app", app, "--stdin")
    account = made.split()[1]
    assert f"app {app}" in made
    assert made.splitlines()[-1] == "nothing is wrong with it"
    assert f"{app}  whatsapp  api, 1 account  Shop" in typed.fine("app", "list").splitlines()
    assert "whatsapp  whatsapp  environment, simulated, 0 accounts" in typed.fine("app", "list").splitlines()
    assert f"give these accounts another app, or remove them: {account} (app_in_use)" in typed.error("app", "delete", app)
    assert "Store" in typed.fine("app", "rename", app, "Store")
    given(app_secret="another")
    assert "secret_wrong" in typed.error("app", "rotate", app, "--stdin")
    given(verify_token="n3xt")
    typed.fine("app", "rotate", app, "--stdin")
    shown = typed.fine("app", "show", app)
    assert json.loads(shown)["webhook_url"] == place
    assert provider.secret not in shown
    given(app_secret=provider.secret, verify_token="own")
    assert f"app {app}" not in typed.fine("accounts", "rotate", account, "--app", "", "--stdin")
    assert typed.fine("app", "delete", app).strip() == f"deleted {app}"
    assert "unknown channel 'whatsap'" in typed.error("app", "create", "whatsap")
