"""Accounts are connected, checked, rotated, paused and removed over REST, and never tell their credentials."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from limits.storage import MemoryStorage
from msgspec.structs import replace

from chat4all.channels import CHANNELS
from chat4all.model.failures import Temporary
from chat4all.ports import MessageStore
from chat4all.services.accounts.live import SEALED, LiveChannels
from chat4all.services.broadcasts.daily_budget import budget_of
from chat4all.settings import Settings
from chat4all.telemetry.instruments import REGISTRY
from storage.open import open_store
from tests.between import Between
from tests.wakes import Wakes
from tests.webapp.driver import Driver
from tests.webapp.graph import Provider, asked_by_all
from webapp.app import create_app

PUBLIC = "https://chat.example"
VERIFY = "v3rify-token-of-ours"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with asked_by_all(monkeypatch) as made:
        yield made


@pytest.fixture
def begin(tmp_path: Path, provider: Provider) -> Iterator[Callable[..., Driver]]:
    begun: list[Driver] = []

    def start(**changed: Any) -> Driver:
        settings = Settings(data=tmp_path, partitions=2, broker="memory://", provider_timeout_s=2, public_url=PUBLIC)
        driver = Driver(create_app(settings.model_copy(update=changed), None, MemoryStorage(), Wakes()))
        if begun:
            driver.tokens = begun[0].tokens
        else:
            driver.service("ops", "manage")
        begun.append(driver)
        return driver

    yield start
    for each in begun:
        each.close()


@pytest.fixture
def driver(begin: Callable[..., Driver]) -> Driver:
    return begin()


def body(provider: Provider, channel: str = "whatsapp", **changed: str) -> dict[str, Any]:
    """What connects the account that the provider knows."""
    if channel == "telegram":
        return {"channel": channel, "name": "Shop", "credentials": {"bot_token": provider.bot} | changed}
    given = {"token": provider.token, "app_secret": provider.secret, "verify_token": VERIFY} | changed
    account = given.pop("account", provider.account)
    return {"channel": channel, "provider_account_id": account, "name": "Shop", "credentials": given}


def connected(driver: Driver, provider: Provider, channel: str = "whatsapp") -> str:
    """An account that the provider has confirmed; its id."""
    made = driver.ask("ops", "POST", "/v1/accounts", body(provider, channel), expect=201)
    if channel == "telegram":
        provider.hook["url"] = made["webhook_url"]
    found = driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")
    assert (found["findings"], found["account"]["state"]) == ([], "active")
    return str(made["account_id"])


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_account_is_used_once_the_provider_confirmed_it(driver: Driver, provider: Provider, channel: str) -> None:
    """Before that the channel goes on as it was; afterwards it sends from it, and the webhook's place is its own."""
    made = driver.ask("ops", "POST", "/v1/accounts", body(provider, channel), expect=201)
    assert (made["state"], made["in_use"], made["managed_by"]) == ("connecting", False, "api")
    assert not driver.parts.channels[channel].account.real
    provider.hook["url"] = made["webhook_url"]
    found = driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")
    assert found["findings"] == []
    assert (found["account"]["state"], found["account"]["in_use"]) == ("active", True)
    used = driver.parts.channels[channel].account
    assert (used.real, used.account_id) == (True, made["provider_account_id"])
    assert made["webhook_url"] == f"{PUBLIC}/channels/{channel}/accounts/{made['account_id']}/webhook"


MISTAKES: list[tuple[str, str, dict[str, Any], dict[str, str], str]] = [
    ("a wrong token", "whatsapp", {}, {"token": "another-token"}, "token_refused"),
    ("a token that is no longer good", "whatsapp", {"error": (190, 463)}, {}, "token_expired"),
    ("a token without rights", "whatsapp", {"error": (10, 0)}, {}, "permission_missing"),
    ("a missing scope", "whatsapp", {"scopes": ["whatsapp_business_management"]}, {}, "scope_missing"),
    ("the id of another number", "whatsapp", {}, {"account": "4201"}, "account_unknown"),
    ("an app that is not subscribed", "whatsapp", {"apps": []}, {}, "not_subscribed"),
    ("another app is subscribed", "whatsapp", {"apps": [{"whatsapp_business_api_data": {"id": "2"}}]}, {}, "not_subscribed"),
    ("a wrong secret", "whatsapp", {}, {"app_secret": "another-secret"}, "secret_wrong"),
    ("a number that is not registered", "whatsapp", {"number": {"status": "PENDING"}}, {}, "number_not_connected"),
    ("a business that nobody names", "whatsapp", {"business": ""}, {}, "business_unknown"),
    ("a page's wrong token", "messenger", {}, {"token": "another-token"}, "token_refused"),
    ("a page's missing scope", "messenger", {"scopes": ["pages_messaging"]}, {}, "scope_missing"),
    (
        "a page's app hears no messages",
        "messenger",
        {"apps": [{"id": "1", "subscribed_fields": ["feed"]}]},
        {},
        "not_subscribed",
    ),
    ("an account's wrong secret", "instagram", {}, {"app_secret": "another-secret"}, "secret_wrong"),
    ("an account's app is not subscribed", "instagram", {"apps": []}, {}, "not_subscribed"),
    ("a wrong bot token", "telegram", {}, {"bot_token": "77:another-token"}, "token_refused"),
    ("a bot without our webhook", "telegram", {}, {}, "webhook_elsewhere"),
]


@pytest.mark.parametrize(
    ("channel", "wrong", "given", "code"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES]
)
def test_a_check_names_each_mistake_with_its_mend(
    driver: Driver, provider: Provider, channel: str, wrong: dict[str, Any], given: dict[str, str], code: str
) -> None:
    """One thing is wrong, and that one is named; what is fatal keeps the account from being used."""
    provider.wrong = wrong
    made = driver.ask("ops", "POST", "/v1/accounts", body(provider, channel, **given), expect=201)
    found = driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")
    assert [each["code"] for each in found["findings"]] == [code]
    [finding] = found["findings"]
    assert finding["said"].endswith(".")
    assert len(finding["mend"]) > 20
    assert found["account"]["in_use"] is not finding["fatal"]
    assert found["account"]["state"] == ("connecting" if finding["fatal"] else "active")


@pytest.mark.parametrize(("place", "code"), [("", "no_public_address"), ("http://chat.example", "address_not_https")])
def test_a_check_wants_an_address_that_providers_can_call(
    begin: Callable[..., Driver], provider: Provider, place: str, code: str
) -> None:
    """Without one nothing comes."""
    driver = begin(public_url=place)
    made = driver.ask("ops", "POST", "/v1/accounts", body(provider), expect=201)
    found = driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")
    assert [each["code"] for each in found["findings"]] == [code]


def test_a_provider_that_is_away_changes_nothing(driver: Driver, provider: Provider) -> None:
    """It says nothing of the account."""
    account = connected(driver, provider)
    provider.close()
    found = driver.ask("ops", "POST", f"/v1/accounts/{account}/check")
    assert [each["code"] for each in found["findings"]] == ["unreachable"]
    assert (found["account"]["state"], found["account"]["in_use"]) == ("active", True)


def test_a_refused_account_is_failing_until_it_is_mended(driver: Driver, provider: Provider) -> None:
    """It is used all the same: the provider may be wrong. Other credentials make it active."""
    account = connected(driver, provider)
    provider.token = "another-token-of-the-provider"
    found = driver.ask("ops", "POST", f"/v1/accounts/{account}/check")
    assert (found["account"]["state"], found["account"]["reason"]) == ("failing", "token_refused")
    assert found["account"]["in_use"] is True
    rotated = driver.ask("ops", "POST", f"/v1/accounts/{account}/rotate", {"credentials": {"token": provider.token}})
    assert (rotated["state"], rotated.get("reason")) == ("active", None)


def test_credentials_that_the_provider_refuses_do_not_replace_good_ones(driver: Driver, provider: Provider) -> None:
    """The provider is asked first; nothing changes then."""
    account = connected(driver, provider)
    before = driver.parts.channels["whatsapp"]
    said = driver.ask("ops", "POST", f"/v1/accounts/{account}/rotate", {"credentials": {"token": "wrong-token"}}, expect=422)
    assert (said["code"], said["errors"][0]["field"] if "errors" in said else said["field"]) == ("token_refused", "credentials")
    assert driver.parts.channels["whatsapp"] is before


WHOLE = {"token": "t", "app_secret": "s", "verify_token": "v"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"channel": "whatsap"}, "channel"),
    ({"credentials": {}}, "credentials.token"),
    ({"credentials": {"token": "t", "app_secret": "s"}}, "credentials.verify_token"),
    (
        {"credentials": {"token": "t", "app_secret": "s", "verify_token": "v", "api_url": "http://10.0.0.1"}},
        "credentials.api_url",
    ),
    ({"credentials": {"token": "a\nb", "app_secret": "s", "verify_token": "v"}}, "credentials.token"),
    (
        {"credentials": {"token": "t", "app_secret": "s", "verify_token": "v", "phone_number_id": "1"}},
        "credentials.phone_number_id",
    ),
    ({"provider_account_id": ""}, "provider_account_id"),
    ({"provider_account_id": "../../me"}, "provider_account_id"),
    ({"provider_account_id": "42/messages"}, "provider_account_id"),
    ({"channel": "telegram", "credentials": {"bot_token": "no"}}, "credentials.bot_token"),
    ({"channel": "telegram", "credentials": {"bot_token": "7:abc"}}, "provider_account_id"),
]


@pytest.mark.parametrize(("changed", "field"), WRONG, ids=[f"{number} {field}" for number, (_, field) in enumerate(WRONG)])
def test_what_makes_no_account_is_refused_with_its_field(
    driver: Driver, provider: Provider, changed: dict[str, Any], field: str
) -> None:
    """Nothing is kept of it, and nobody is called."""
    said = driver.ask("ops", "POST", "/v1/accounts", body(provider) | changed, expect=422)
    assert field in json.dumps(said)
    assert [each["managed_by"] for each in driver.ask("ops", "GET", "/v1/accounts")["accounts"]] == ["environment"] * 4
    assert provider.calls == []


def test_an_account_is_connected_once(driver: Driver, provider: Provider) -> None:
    """A second time is refused until it is removed; then it may come again."""
    account = connected(driver, provider)
    said = driver.ask("ops", "POST", "/v1/accounts", body(provider), expect=409)
    assert said["code"] == "account_exists"
    assert driver.call("ops", "DELETE", f"/v1/accounts/{account}").status_code == 204
    assert driver.ask("ops", "GET", f"/v1/accounts/{account}", expect=404)["code"] == "unknown_account"
    assert connected(driver, provider) != account


def test_the_same_request_makes_one_account(driver: Driver, provider: Provider) -> None:
    """Under its key; something else under the key is refused."""
    key = {"Idempotency-Key": "once"}
    one, two = (driver.call("ops", "POST", "/v1/accounts", body(provider), headers=key) for _ in range(2))
    assert (one.status_code, one.json) == (201, two.json)
    other = driver.call("ops", "POST", "/v1/accounts", body(provider) | {"name": "Other"}, headers=key)
    assert (other.status_code, (other.json or {}).get("code")) == (422, "idempotency_key_reused")


def test_accounts_of_the_environment_are_shown_and_stay_as_they_are(
    begin: Callable[..., Driver], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the channel's name; none of their credentials can be changed or seen, and no row takes their place."""
    real = {"TOKEN": provider.token, "PHONE_NUMBER_ID": "42", "APP_SECRET": provider.secret, "VERIFY_TOKEN": VERIFY}
    for name, value in real.items():
        monkeypatch.setenv(f"WHATSAPP_{name}", value)
    driver = begin()
    shown = driver.ask("ops", "GET", "/v1/accounts/whatsapp")
    assert (shown["managed_by"], shown["provider_account_id"], shown["in_use"]) == ("environment", "42", True)
    assert shown["simulated"] is False
    assert driver.ask("ops", "GET", "/v1/accounts/telegram")["simulated"] is True
    for method, path, given in [
        ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/pause", None), ("POST", "/resume", None),
        ("POST", "/rotate", {"credentials": {"token": "x"}}), ("POST", "/connect", None),
    ]:  # fmt: skip
        said = driver.ask("ops", method, f"/v1/accounts/whatsapp{path}", given, expect=409)
        assert said["code"] == "environment_account"
    said = driver.ask("ops", "POST", "/v1/accounts", body(provider, account="42"), expect=409)
    assert said["code"] == "environment_account"


def test_only_who_manages_sees_accounts(driver: Driver, provider: Provider) -> None:
    """Neither people nor clients that send."""
    driver.people("alice")
    driver.service("sender", "send")
    account = connected(driver, provider)
    for who in ("alice", "sender"):
        for method, path in [("GET", ""), ("POST", ""), ("GET", f"/{account}"), ("POST", f"/{account}/check")]:
            given = body(provider) if (method, path) == ("POST", "") else None
            assert driver.call(who, method, f"/v1/accounts{path}", given).status_code == 403


def test_webhooks_are_verified_with_the_accounts_own_secret(driver: Driver, provider: Provider) -> None:
    """At its own address; another secret, or another account's address, is refused. Before the check nothing is taken."""
    made = driver.ask("ops", "POST", "/v1/accounts", body(provider), expect=201)
    path = f"/channels/whatsapp/accounts/{made['account_id']}/webhook"
    asked = {"hub.mode": "subscribe", "hub.challenge": "123", "hub.verify_token": VERIFY}
    assert driver.client.get(path, query_string=asked).text == "123"
    assert driver.client.get(path, query_string=asked | {"hub.verify_token": "x"}).status_code == 403
    said = b'{"object": "whatsapp_business_account", "entry": [{"id": "9", "changes": [{"field": "messages", "value": {"metadata": {"phone_number_id": "4200"}, "messages": [{"from": "5511999990000", "id": "wamid.1", "timestamp": "1700000000", "type": "text", "text": {"body": "oi"}}]}}]}]}'  # noqa: E501
    signed = {"X-Hub-Signature-256": "sha256=" + _hmac(provider.secret, said)}
    assert driver.client.post(path, data=said, headers=signed).status_code == 409
    driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")
    assert driver.client.post(path, data=said, headers={"X-Hub-Signature-256": "sha256=" + _hmac("x", said)}).status_code == 403
    assert driver.client.post(path, data=said, headers={"X-Hub-Signature-256": "sha256=" + _hmac("", said)}).status_code == 403
    assert driver.client.post(path, data=said, headers=signed).status_code == 200
    assert driver.client.post("/channels/whatsapp/webhook", data=said, headers=signed).status_code == 200
    assert driver.client.post(path.replace("whatsapp", "messenger"), data=said, headers=signed).status_code == 404


def test_what_no_key_opens_sends_nothing_and_believes_nobody(
    begin: Callable[..., Driver], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lost the key is told; the account can be given all its credentials again."""
    monkeypatch.setenv("CHAT4ALL_SECRET_SEAL", "k" * 32)
    first = begin()
    account = connected(first, provider)
    monkeypatch.setenv("CHAT4ALL_SECRET_SEAL", "o" * 32)
    driver = begin()
    shown = driver.ask("ops", "GET", f"/v1/accounts/{account}")
    assert (shown["credential_names"], shown["in_use"]) == ([], True)
    said = b"{}"
    for secret in ("", provider.secret):
        headers = {"X-Hub-Signature-256": "sha256=" + _hmac(secret, said)}
        assert driver.client.post("/channels/whatsapp/webhook", data=said, headers=headers).status_code == 403
    assert driver.parts.live.in_force("whatsapp").stopped_by == SEALED
    assert driver.ask("ops", "POST", f"/v1/accounts/{account}/check", expect=409)["code"] == "sealed"
    partly = {"credentials": {"token": provider.token}}
    assert driver.ask("ops", "POST", f"/v1/accounts/{account}/rotate", partly, expect=422)
    whole = {"credentials": body(provider)["credentials"]}
    driver.ask("ops", "POST", f"/v1/accounts/{account}/rotate", whole)
    assert driver.parts.live.in_force("whatsapp").stopped_by == ""


@pytest.mark.parametrize("channel", CHANNELS)
def test_credentials_come_out_nowhere(
    driver: Driver, provider: Provider, channel: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in answers, refusals, logs, the document of the API, or the store's files, whatever is done with the account."""
    caplog.set_level(logging.DEBUG)
    planted = [provider.token, provider.secret, VERIFY, provider.bot.partition(":")[2], "another-planted-secret"]
    account = connected(driver, provider, channel)
    path = f"/v1/accounts/{account}"
    name = "bot_token" if channel == "telegram" else "token"
    wrong = "77:another-planted-secret" if channel == "telegram" else "another-planted-secret"
    answers = [
        driver.call("ops", method, f"{path}{rest}", given).text
        for method, rest, given in [
            ("GET", "", None), ("PATCH", "", {"name": "x"}), ("POST", "/check", None), ("POST", "/connect", None),
            ("POST", "/rotate", {"credentials": {name: wrong}}), ("POST", "/rotate", {"credentials": {name: wrong + "\n"}}),
            ("POST", "/rotate", {"credentials": {"no": wrong}}), ("POST", "/pause", None), ("POST", "/resume", None),
        ]
    ]  # fmt: skip
    answers += [driver.call("ops", "POST", "/v1/accounts", body(provider, channel)).text]
    answers += [driver.call("ops", "GET", each).text for each in ("/v1/accounts", "/v1/channels", "/openapi.json", "/metrics")]
    provider.close()
    answers += [driver.call("ops", "POST", f"{path}/check").text, driver.call("ops", "POST", f"{path}/connect").text]
    printed = capsys.readouterr()
    files = b"".join(each.read_bytes() for each in driver.parts.settings.data.rglob("*.db*")).decode("latin-1")
    everywhere = [*answers, caplog.text, printed.out, printed.err, files]
    assert [secret for secret in planted for text in everywhere if secret in text] == []


def test_a_change_is_in_force_elsewhere_within_two_seconds(driver: Driver, provider: Provider) -> None:
    """Another process, which asks the store once a second, goes on with other credentials by itself; it closes quickly."""
    settings = driver.parts.settings
    store = open_store(settings)
    live = LiveChannels(settings, store)
    try:
        before = live["whatsapp"]
        account = connected(driver, provider)
        _until(lambda: live["whatsapp"] is not before)
        first = live["whatsapp"]
        driver.ask("ops", "POST", f"/v1/accounts/{account}/pause")
        _until(lambda: live.in_force("whatsapp").stopped_by == "account_paused")
        assert live["whatsapp"] is first
        driver.ask("ops", "POST", f"/v1/accounts/{account}/resume")
        _until(lambda: live.in_force("whatsapp").stopped_by == "")
        assert driver.call("ops", "DELETE", f"/v1/accounts/{account}").status_code == 204
        _until(lambda: live.of("whatsapp", account).stopped_by == "account_removed")
        assert not live["whatsapp"].account.real
    finally:
        live.close()
        store.close()


def test_a_process_that_cannot_ask_goes_on_with_what_it_knows(driver: Driver, provider: Provider) -> None:
    """It is counted, and a change is taken as soon as the store answers."""

    def unread() -> float:
        return REGISTRY.get_sample_value("chat4all_accounts_unread_total") or 0.0

    between = Between(driver.parts.store)
    live = LiveChannels(driver.parts.settings, cast("MessageStore", between), every_s=0.05)
    try:
        account = connected(driver, provider)
        known, before = live["whatsapp"], unread()
        between.fail("accounts_changed", Temporary("store"))
        driver.ask("ops", "POST", f"/v1/accounts/{account}/pause")
        _until(lambda: unread() > before)
        assert live["whatsapp"] is known
        between.mend()
        _until(lambda: live.in_force("whatsapp").stopped_by == "account_paused")
    finally:
        live.close()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def _hmac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_what_the_provider_granted_is_said_of_an_account(driver: Driver, provider: Provider) -> None:
    """It is in force at once, and taken back; a channel that has no such feature refuses it by field."""
    account = connected(driver, provider, "messenger")
    place = f"/v1/accounts/{account}"
    assert driver.ask("ops", "GET", place)["features"] == {"human_agent": False}
    for granted in (True, False):
        shown = driver.ask("ops", "PATCH", place, {"features": {"human_agent": granted}, "name": "Page"})
        assert (shown["features"], shown["name"]) == ({"human_agent": granted}, "Page")
        assert driver.ask("ops", "PATCH", place, {"name": "Page"})["features"] == {"human_agent": granted}
        assert driver.parts.live.features("messenger", account) == ({"human_agent"} if granted else set())
    number = connected(driver, provider)
    wrong = driver.refused("ops", "PATCH", f"/v1/accounts/{number}", {"features": {"human_agent": True}})
    assert wrong == ("invalid", "features.human_agent")
    assert driver.refused("ops", "PATCH", place, {"features": {"bot": True}}) == ("invalid", "features.bot")
    assert driver.ask("ops", "GET", "/v1/accounts/instagram")["features"] == {"human_agent": False}


def test_limits_of_an_account_are_changed_one_by_one(driver: Driver, provider: Provider) -> None:
    """What is left out stays, null takes one back; what is no limit is refused with its field."""
    account = connected(driver, provider)
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"limits": {"messages_per_second": 12.5}}, {"messages_per_second": 12.5}),
        ({"limits": {"calls_in_flight": 4}}, {"messages_per_second": 12.5, "calls_in_flight": 4}),
        ({"name": "Other"}, {"messages_per_second": 12.5, "calls_in_flight": 4}),
        ({"limits": {"messages_per_second": None}}, {"calls_in_flight": 4}),
        ({}, {"calls_in_flight": 4}),
        ({"limits": {"people_per_day": 250}}, {"calls_in_flight": 4, "people_per_day": 250}),
    ]
    for change, limits in steps:
        assert driver.ask("ops", "PATCH", f"/v1/accounts/{account}", change)["limits"] == limits
    assert driver.ask("ops", "GET", f"/v1/accounts/{account}")["name"] == "Other"
    in_force = driver.parts.live.in_force("whatsapp").account
    assert in_force
    assert in_force.limits.calls_in_flight == 4
    assert budget_of(driver.parts.live, "whatsapp") == 250
    for wrong in (
        {"messages_per_second": 0},
        {"calls_in_flight": 0},
        {"people_per_day": 0},
        {"calls_in_flight": 65},
        {"messages": 1},
    ):
        code, field = driver.refused("ops", "PATCH", f"/v1/accounts/{account}", {"limits": wrong})
        assert (code, field) == ("invalid", f"limits.{next(iter(wrong))}")


def test_the_providers_limit_is_the_budget_of_a_day_where_nobody_set_another(driver: Driver, provider: Provider) -> None:
    """As its health says it; what somebody set counts instead, and without both there is none."""
    account = connected(driver, provider)
    assert budget_of(driver.parts.live, "whatsapp") == 0
    kept = driver.parts.store.account(account)
    assert kept
    driver.parts.store.put_account(replace(kept, health={"tier": "TIER_2K"}), driver.parts.store.accounts_changed())
    driver.parts.live.read()
    assert budget_of(driver.parts.live, "whatsapp") == 2000
    driver.ask("ops", "PATCH", f"/v1/accounts/{account}", {"limits": {"people_per_day": 100}})
    assert budget_of(driver.parts.live, "whatsapp") == 100
