"""Apps are made known, changed and removed over REST; their accounts have their secret, and it is told to nobody."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import pytest

from chat4all.channels import CHANNELS
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.records import ProviderReceipt
from chat4all.services.accounts.live import InForce, LiveChannels
from storage.open import open_store
from tests.webapp import test_accounts, test_many_accounts
from tests.webapp.driver import Driver
from tests.webapp.graph import Provider
from tests.webapp.test_many_accounts import ANA, META, connect, origins, page, told, whatsapp

begin, driver, provider = test_accounts.begin, test_accounts.driver, test_accounts.provider
claim = test_many_accounts.claim
T = TypeVar("T")
VERIFY = "v3rify-token-of-the-app"


def an_app(driver: Driver, provider: Provider, channel: str = "whatsapp", **changed: str) -> dict[str, Any]:
    """An app that the provider knows."""
    given = {"app_secret": provider.secret, "verify_token": VERIFY} | changed
    made: dict[str, Any] = driver.ask("ops", "POST", "/v1/apps", {"channel": channel, "credentials": given}, expect=201)
    return made


def of_app(driver: Driver, provider: Provider, app: str, account: str, channel: str = "whatsapp") -> str:
    """An account of it that the provider has confirmed; its id."""
    if account != provider.account:
        provider.others.append(account)
    body = {
        "channel": channel, "provider_account_id": account, "app_id": app, "credentials": {"token": provider.token},
    }  # fmt: skip
    made = driver.ask("ops", "POST", "/v1/accounts", body, expect=201)
    assert driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")["findings"] == []
    return str(made["account_id"])


def comes(driver: Driver, app: str, *entries: dict[str, Any], secret: str, channel: str = "whatsapp") -> int:
    """The status that the provider gets at the address of the app."""
    said = json.dumps({"object": channel, "entry": list(entries)}).encode()
    signed = hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signed}"}
    return driver.client.post(f"/channels/{channel}/apps/{app}/webhook", data=said, headers=headers).status_code


@pytest.mark.parametrize("channel", META)
def test_accounts_of_an_app_have_its_secret_and_its_address(driver: Driver, provider: Provider, channel: str) -> None:
    """Two of them: what each is written to comes in at the app's address, which the answer tells."""
    made = an_app(driver, provider, channel)
    app = made["app_id"]
    assert made["webhook_url"] == f"{test_accounts.PUBLIC}/channels/{channel}/apps/{app}/webhook"
    entry = whatsapp if channel == "whatsapp" else page
    one, two = (of_app(driver, provider, app, each, channel) for each in ("4200", "4300"))
    asked = {"hub.mode": "subscribe", "hub.challenge": "123", "hub.verify_token": VERIFY}
    path = f"/channels/{channel}/apps/{app}/webhook"
    assert driver.client.get(path, query_string=asked).text == "123"
    assert driver.client.get(path, query_string=asked | {"hub.verify_token": "x"}).status_code == 403
    entries = [entry("4200", ANA, 1), entry("4300", ANA, 2)]
    assert comes(driver, app, *entries, secret="another", channel=channel) == 403
    assert driver.process() == []
    assert comes(driver, app, *entries, secret=provider.secret, channel=channel) == 200
    assert sorted(origins(driver.process())) == [("to 4200", "4200", one), ("to 4300", "4300", two)]
    shown = driver.ask("ops", "GET", f"/v1/accounts/{one}")
    assert (shown["app_id"], shown["webhook_url"]) == (app, made["webhook_url"])
    assert shown["credential_names"] == sorted({"token", "phone_number_id" if channel == "whatsapp" else "account_id"})
    assert driver.ask("ops", "GET", f"/v1/apps/{app}")["account_count"] == 2


def test_the_signature_counts_before_anything_of_the_body(driver: Driver, provider: Provider) -> None:
    """At an app's address with that app's secret alone, whatever account the body names and whoever else signed it."""
    app = an_app(driver, provider)["app_id"]
    other = an_app(driver, provider, app_secret="another-app-s3cret")["app_id"]
    of_app(driver, provider, app, "4200")
    said = b'{"object": "whatsapp_business_account", "entry": ' + b"[" * 3
    for place, secret, status in [(other, provider.secret, 403), (app, "another-app-s3cret", 403), (app, provider.secret, 200)]:
        signed = {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()}
        assert driver.client.post(f"/channels/whatsapp/apps/{place}/webhook", data=said, headers=signed).status_code == status
    letters = driver.parts.store.dead_letters(rfc3339(now_ms())[:10], 10)
    assert [each.reason for each in letters] == ["not_a_webhook"]
    assert comes(driver, other, whatsapp("4200", ANA, 1), secret="another-app-s3cret") == 200
    assert driver.process() == []
    for place in ("messenger", "nobody"):
        assert driver.client.post(f"/channels/{place}/apps/{app}/webhook", data=b"{}").status_code == 404


def test_what_an_app_signs_before_it_has_accounts_is_kept_for_them(
    driver: Driver, provider: Provider, claim: Callable[[], None]
) -> None:
    """At its own address and at the channel's; given to the account once the provider has confirmed that."""
    app = an_app(driver, provider)["app_id"]
    assert comes(driver, app, whatsapp("4200", ANA, 1), secret=provider.secret) == 200
    assert test_many_accounts.comes(driver, "whatsapp", whatsapp("4200", ANA, 2), secret=provider.secret) == 200
    assert test_many_accounts.comes(driver, "whatsapp", whatsapp("4200", ANA, 3), secret="another") == 403
    assert driver.process() == []
    account = of_app(driver, provider, app, "4200")
    claim()
    assert sorted(origins(driver.process())) == [("to 4200", "4200", account)] * 2


def test_another_secret_is_in_force_at_once_for_all_accounts(driver: Driver, provider: Provider) -> None:
    """In other processes within two seconds; the old one then signs nothing. Meta is asked first, with one of the accounts."""
    app = an_app(driver, provider)["app_id"]
    for each in ("4200", "4300"):
        of_app(driver, provider, app, each)
    old, changed = provider.secret, {"credentials": {"app_secret": "n3w-app-secret"}}
    refused = driver.ask("ops", "PATCH", f"/v1/apps/{app}", changed, expect=422)
    assert (refused["code"], refused["errors"][0]["field"]) == ("secret_wrong", "credentials.app_secret")
    assert comes(driver, app, whatsapp("4200", ANA, 1), secret=old) == 200
    provider.secret = "n3w-app-secret"
    driver.ask("ops", "PATCH", f"/v1/apps/{app}", changed)
    assert [comes(driver, app, whatsapp(each, ANA, 2), secret=old) for each in ("4200", "4300")] == [403, 403]
    assert [comes(driver, app, whatsapp(each, ANA, 3), secret=provider.secret) for each in ("4200", "4300")] == [200, 200]
    assert [each.payload.as_text() for each in driver.process()] == ["to 4200", "to 4200", "to 4300"]
    asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": VERIFY}
    assert driver.client.get(f"/channels/whatsapp/apps/{app}/webhook", query_string=asked).text == "1"


def test_every_process_learns_of_an_app(driver: Driver, provider: Provider) -> None:
    """One that only reads the store has the app, its next secret, and its end, within two seconds of each."""
    settings = driver.parts.settings
    with closing(open_store(settings)) as store, closing(LiveChannels(settings, store)) as live:
        assert live.app("nobody") is None
        app = an_app(driver, provider)["app_id"]
        first = _until(lambda: live.app(app))
        driver.ask("ops", "PATCH", f"/v1/apps/{app}", {"name": "Shop"})
        renamed = _until(lambda: _changed(live.app(app), first))
        assert renamed.app
        assert (renamed.app.name, renamed.channel) == ("Shop", first.channel)
        driver.ask("ops", "PATCH", f"/v1/apps/{app}", {"credentials": {"app_secret": "next"}})
        assert _until(lambda: _changed(live.app(app), renamed)).channel.app != first.channel.app
        assert driver.call("ops", "DELETE", f"/v1/apps/{app}").status_code == 204
        assert _until(lambda: live.app(app) is None)


def _changed(now: InForce | None, before: InForce) -> InForce | None:
    return now if now != before else None


def _until(found: Callable[[], T | None]) -> T:
    """What it gives once it gives anything."""
    end = time.monotonic() + 10
    while not (there := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return there


def test_an_app_that_accounts_use_is_not_removed(driver: Driver, provider: Provider) -> None:
    """The refusal names them; once they are of another app, or removed, it goes, and its address with it."""
    app, other = an_app(driver, provider)["app_id"], an_app(driver, provider)["app_id"]
    one, two = (of_app(driver, provider, app, each) for each in ("4200", "4300"))
    said = driver.ask("ops", "DELETE", f"/v1/apps/{app}", expect=409)
    assert said["code"] == "app_in_use"
    assert all(each in said["detail"] for each in (one, two))
    driver.ask("ops", "POST", f"/v1/accounts/{one}/rotate", {"app_id": other})
    assert driver.call("ops", "DELETE", f"/v1/accounts/{two}").status_code == 204
    assert driver.call("ops", "DELETE", f"/v1/apps/{app}").status_code == 204
    assert driver.ask("ops", "GET", f"/v1/apps/{app}", expect=404)["code"] == "unknown_app"
    assert comes(driver, app, whatsapp("4200", ANA, 1), secret=provider.secret) == 404
    assert comes(driver, other, whatsapp("4200", ANA, 1), secret=provider.secret) == 200
    # What became of messages of an account that is gone is told by the same app still.
    assert comes(driver, other, told("whatsapp", "4300"), secret=provider.secret) == 200
    [receipt] = driver.statuses()
    assert isinstance(receipt, ProviderReceipt)
    assert receipt.account == "4300"


def test_an_account_comes_to_an_app_and_leaves_it(driver: Driver, provider: Provider) -> None:
    """With a secret of its own before and after; the provider is asked each time, and a wrong one changes nothing."""
    app = an_app(driver, provider)["app_id"]
    wrong = an_app(driver, provider, app_secret="another-app-s3cret")["app_id"]
    account = connect(driver, provider, "whatsapp", "4200")
    place = f"/v1/accounts/{account}/rotate"
    assert driver.ask("ops", "POST", place, {"app_id": wrong}, expect=422)["code"] == "secret_wrong"
    moved = driver.ask("ops", "POST", place, {"app_id": app})
    assert (moved["app_id"], moved["credential_names"]) == (app, ["phone_number_id", "token"])
    for given in ({"credentials": {"app_secret": "x"}}, {"app_id": app, "credentials": {"verify_token": "x"}}):
        said = driver.ask("ops", "POST", place, given, expect=422)
        assert said["errors"][0]["field"].startswith("credentials.")
    driver.ask("ops", "POST", place, {"app_id": ""}, expect=422)
    own = {"app_secret": provider.secret, "verify_token": "own"}
    back = driver.ask("ops", "POST", place, {"app_id": "", "credentials": own})
    assert "app_id" not in back
    assert back["webhook_url"].endswith(f"/accounts/{account}/webhook")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"channel": "whatsap"}, "channel"),
    ({"channel": "telegram"}, "channel"),
    ({"credentials": {}}, "credentials.app_secret"),
    ({"credentials": {"app_secret": "s"}}, "credentials.verify_token"),
    ({"credentials": {"app_secret": "s", "verify_token": ""}}, "credentials.verify_token"),
    ({"credentials": {"app_secret": "s", "verify_token": "v", "token": "t"}}, "credentials.token"),
    ({"credentials": {"app_secret": "a\nb", "verify_token": "v"}}, "credentials.app_secret"),
]


@pytest.mark.parametrize(("changed", "field"), WRONG, ids=[f"{number} {field}" for number, (_, field) in enumerate(WRONG)])
def test_what_makes_no_app_is_refused_with_its_field(driver: Driver, changed: dict[str, Any], field: str) -> None:
    """Nothing is kept of it."""
    body = {"channel": "whatsapp", "credentials": {"app_secret": "s", "verify_token": "v"}} | changed
    assert driver.ask("ops", "POST", "/v1/apps", body, expect=422)["errors"][0]["field"] == field
    assert {each["managed_by"] for each in driver.ask("ops", "GET", "/v1/apps")["apps"]} == {"environment"}


def test_an_account_names_an_app_of_its_channel(driver: Driver, provider: Provider) -> None:
    """One that there is; and what the app has it is not given itself."""
    app = an_app(driver, provider, "messenger")["app_id"]
    body = {"channel": "whatsapp", "provider_account_id": "4200", "credentials": {"token": "t"}}
    for given, field in [
        ({"app_id": "nobody"}, "app_id"), ({"app_id": app}, "app_id"), ({}, "credentials.app_secret"),
        ({"app_id": app, "channel": "messenger", "credentials": {"token": "t", "app_secret": "x"}}, "credentials.app_secret"),
        ({"app_id": app, "channel": "telegram", "credentials": {"bot_token": "7:a"}}, "app_id"),
    ]:  # fmt: skip
        assert driver.ask("ops", "POST", "/v1/accounts", body | given, expect=422)["errors"][0]["field"] == field


def test_the_same_request_makes_one_app(driver: Driver) -> None:
    """Under its key; something else under the key is refused."""
    key, body = {"Idempotency-Key": "once"}, {"channel": "whatsapp", "credentials": {"app_secret": "s", "verify_token": "v"}}
    one, two = (driver.call("ops", "POST", "/v1/apps", body, headers=key) for _ in range(2))
    assert (one.status_code, one.json) == (201, two.json)
    other = driver.call("ops", "POST", "/v1/apps", body | {"name": "Other"}, headers=key)
    assert (other.status_code, (other.json or {}).get("code")) == (422, "idempotency_key_reused")


def test_apps_of_the_environment_are_shown_and_stay_as_they_are(
    begin: Callable[..., Driver], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the channel's name, at the address that they always had; a bot has none. Their webhooks come as before."""
    real = {"TOKEN": provider.token, "PHONE_NUMBER_ID": "42", "APP_SECRET": provider.secret, "VERIFY_TOKEN": VERIFY}
    for name, value in real.items():
        monkeypatch.setenv(f"WHATSAPP_{name}", value)
    driver = begin()
    assert [each["app_id"] for each in driver.ask("ops", "GET", "/v1/apps")["apps"]] == sorted(set(CHANNELS) - {"telegram"})
    shown = driver.ask("ops", "GET", "/v1/apps/whatsapp")
    assert (shown["managed_by"], shown["simulated"], shown["account_count"]) == ("environment", False, 1)
    assert shown["webhook_url"] == f"{test_accounts.PUBLIC}/channels/whatsapp/webhook"
    assert driver.ask("ops", "GET", "/v1/accounts/whatsapp")["app_id"] == "whatsapp"
    for method, given in [("PATCH", {"name": "x"}), ("DELETE", None)]:
        assert driver.ask("ops", method, "/v1/apps/whatsapp", given, expect=409)["code"] == "environment_app"
    an_app(driver, provider, app_secret="another-app-s3cret")
    assert test_many_accounts.comes(driver, "whatsapp", whatsapp("42", ANA, 1), secret=provider.secret) == 200
    assert [each.payload.as_text() for each in driver.process()] == ["to 42"]


def test_nobody_is_told_a_secret(driver: Driver, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """Neither whoever made the app, nor the log; and people and clients that send see no apps."""
    caplog.set_level(logging.DEBUG)
    app = an_app(driver, provider)["app_id"]
    of_app(driver, provider, app, "4200")
    driver.ask("ops", "PATCH", f"/v1/apps/{app}", {"credentials": {"verify_token": "n3xt-verify-token"}})
    shown = [driver.call("ops", "GET", f"/v1/apps{each}").text for each in ("", f"/{app}")]
    shown += [driver.call("ops", "GET", "/v1/accounts").text, caplog.text]
    row = driver.parts.store.app(app)
    assert row
    for secret in (provider.secret, VERIFY, "n3xt-verify-token"):
        assert not any(secret in each for each in shown)
        assert secret.encode() not in row.sealed
    driver.people("alice")
    driver.service("sender", "send")
    for who in ("alice", "sender"):
        for method, place in [("GET", ""), ("POST", ""), ("GET", f"/{app}"), ("DELETE", f"/{app}")]:
            assert driver.call(who, method, f"/v1/apps{place}", {} if method == "POST" else None).status_code == 403
