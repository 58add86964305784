"""Another key in front: everything is sealed with it, and the old one is needed by nothing any more."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chat4all.cli.app import app
from chat4all.model.failures import Permanent
from chat4all.ports import ConnectedAccount, ProviderApp
from chat4all.ports.webhooks import Webhook
from chat4all.services.resealing import Resealed, reseal
from chat4all.services.seal import Seal
from chat4all.settings import Settings
from storage.open import open_store

OLD, NEW, LOST = "old-" * 8, "new-" * 8, "lost" * 8
GIVEN = {"token": "t0ken-that-is-sealed"}


def seal(monkeypatch: pytest.MonkeyPatch, *keys: str) -> Seal:
    monkeypatch.setenv("CHAT4ALL_SECRET_SEAL", ",".join(keys))
    return Seal(Settings())


def test_everything_is_sealed_with_the_first_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts, also removed ones, apps and endpoints; what no key opens is named and stays; again there is nothing to do."""
    monkeypatch.setenv("CHAT4ALL_DATA", str(tmp_path))
    sealed, lost = seal(monkeypatch, OLD).seal(GIVEN), seal(monkeypatch, LOST).seal(GIVEN)
    both = seal(monkeypatch, NEW, OLD)
    store = open_store(Settings())
    store.migrate()
    try:
        for name, row in {"a": sealed, "b": sealed, "empty": b"", "lost": lost, "new": both.seal(GIVEN)}.items():
            account = ConnectedAccount(name, "whatsapp", name, sealed=row, state="removed" if name == "b" else "active")
            assert store.put_account(account, store.accounts_changed())
        for name, row in {"app": sealed, "lost-app": lost}.items():
            assert store.put_app(ProviderApp(name, "whatsapp", sealed=row), store.accounts_changed())
        assert store.put_webhook(Webhook("hook", "https://shop.example", sealed=sealed, version=1))
        assert reseal(store, both) == Resealed(2, 1, 1, ("lost", "lost-app"))
        said = CliRunner().invoke(app, ["secrets", "rotate"])
        assert (said.exit_code, "lost: no key opens it" in said.output) == (1, True)
        assert reseal(store, both) == Resealed(0, 0, 0, ("lost", "lost-app"))
        alone = seal(monkeypatch, NEW)
        rows = [*(store.account(name) for name in ("a", "b", "new")), store.webhook("hook"), store.app("app")]
        assert [alone.open(row.sealed, dict[str, str]) for row in rows if row] == [GIVEN] * 5
        with pytest.raises(Permanent):
            alone.again(lost)
    finally:
        store.close()
