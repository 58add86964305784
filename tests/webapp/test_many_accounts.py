"""Several accounts of a channel: what comes finds its account, and each person is answered from the one they wrote to."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat4all.channels import CHANNELS
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.messages import Message
from chat4all.model.records import ProviderReceipt
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.seal import Seal
from tasks.resources import Parts
from tasks.unclaimed import Claims
from tests.webapp import test_accounts
from tests.webapp.driver import Driver
from tests.webapp.graph import Provider

begin, driver, provider = test_accounts.begin, test_accounts.driver, test_accounts.provider
ANA, BO = "5511999990000", "5511999990001"
# A moment ago: who wrote then may be written to.
NOW_S = now_ms() // 1000 - 600
META = [name for name in CHANNELS if name != "telegram"]


def connect(driver: Driver, provider: Provider, channel: str, account: str, check: bool = True, **given: str) -> str:
    """One more account that the provider knows; its id."""
    if account != provider.account:
        provider.others.append(account)
    given |= {"bot_token": account} if channel == "telegram" else {"account": account}
    made = driver.ask("ops", "POST", "/v1/accounts", test_accounts.body(provider, channel, **given), expect=201)
    if check:
        provider.hook["url"] = made.get("webhook_url", "")
        assert driver.ask("ops", "POST", f"/v1/accounts/{made['account_id']}/check")["findings"] == []
    return str(made["account_id"])


def whatsapp(account: str, person: str, number: int) -> dict[str, Any]:
    """An entry in which this person writes to this number."""
    said = {
        "from": person,
        "id": f"wamid.{number}",
        "timestamp": str(NOW_S + number),
        "type": "text",
        "text": {"body": f"to {account}"},
    }
    value = {"metadata": {"phone_number_id": account}, "contacts": [], "messages": [said]}
    return {"id": "9", "changes": [{"field": "messages", "value": value}]}


def page(account: str, person: str, number: int) -> dict[str, Any]:
    """The same on Messenger and Instagram."""
    said = {"mid": f"m_{number}", "text": f"to {account}"}
    event = {"sender": {"id": person}, "recipient": {"id": account}, "timestamp": 1_700_000_000_000, "message": said}
    return {"id": account, "time": 1_700_000_000_000, "messaging": [event]}


def comes(driver: Driver, channel: str, *entries: dict[str, Any], secret: str, to: str = "") -> int:
    """The status that the provider gets, at the channel's address or that of an account."""
    said = json.dumps({"object": channel, "entry": list(entries)}).encode()
    signed = hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
    place = f"/channels/{channel}/accounts/{to}/webhook" if to else f"/channels/{channel}/webhook"
    return driver.client.post(place, data=said, headers={"X-Hub-Signature-256": f"sha256={signed}"}).status_code


def origins(messages: list[Message]) -> list[tuple[str, str, str]]:
    """What was said, to which account, and what that is called here."""
    return [(each.payload.as_text(), each.origin.account, each.origin.account_id) for each in messages if each.origin]


@pytest.mark.parametrize("channel", META)
@pytest.mark.parametrize("at", ["the channel's address", "another account's address"])
def test_one_webhook_of_an_app_reaches_each_of_its_accounts(driver: Driver, provider: Provider, channel: str, at: str) -> None:
    """By the account that each part names, at every address where the app's secret counts."""
    one, two = (connect(driver, provider, channel, each) for each in ("4200", "4300"))
    entry = whatsapp if channel == "whatsapp" else page
    to = two if "another" in at else ""
    assert comes(driver, channel, entry("4200", ANA, 1), entry("4300", BO, 2), secret=provider.secret, to=to) == 200
    assert sorted(origins(driver.process())) == [("to 4200", "4200", one), ("to 4300", "4300", two)]


def test_an_app_speaks_for_its_own_accounts_only(driver: Driver, provider: Provider) -> None:
    """What another app has signed for an account is kept, and accepted by nobody."""
    connect(driver, provider, "whatsapp", "4200")
    first, provider.secret = provider.secret, "another-app-s3cret"
    connect(driver, provider, "whatsapp", "4300", app_secret=provider.secret)
    assert comes(driver, "whatsapp", whatsapp("4300", ANA, 1), secret=first) == 200
    assert driver.process() == []
    assert comes(driver, "whatsapp", whatsapp("4300", ANA, 2), secret=provider.secret) == 200
    assert [each.payload.as_text() for each in driver.process()] == ["to 4300"]
    assert comes(driver, "whatsapp", whatsapp("4300", ANA, 3), secret="a-third") == 403


@pytest.fixture
def claim(driver: Driver) -> Iterator[Callable[[], None]]:
    """A worker looks for accounts that have not been given what came for them."""
    gateway = driver.parts
    parts = Parts(gateway.settings, gateway.log, gateway.store, gateway.acceptor.partitions, gateway.objects, driver.wakes)
    claims = Claims(parts, LiveChannels(parts.settings, parts.store, every_s=0))

    def run() -> None:
        claims._looked = 0.0
        thread = claims.sweep()
        if thread:
            thread.join(20)

    yield run


def test_what_came_for_an_account_is_given_to_it_once_it_is_confirmed(
    driver: Driver, provider: Provider, claim: Callable[[], None]
) -> None:
    """Not before: whoever adds a stranger's number gets nothing. What comes again is the same message."""
    connect(driver, provider, "whatsapp", "4200")
    early = whatsapp("4300", ANA, 1)
    assert comes(driver, "whatsapp", early, secret=provider.secret) == 200
    claim()
    assert driver.process() == []
    [letter] = driver.parts.store.dead_letters(rfc3339(now_ms())[:10], 10)
    assert (letter.stage, letter.reason, letter.account) == ("unclaimed", "unclaimed_account", "4300")
    two = connect(driver, provider, "whatsapp", "4300", check=False)
    claim()
    assert driver.process() == []
    provider.hook["url"] = driver.ask("ops", "GET", f"/v1/accounts/{two}")["webhook_url"]
    driver.ask("ops", "POST", f"/v1/accounts/{two}/check")
    claim()
    [given] = driver.process()
    assert origins([given]) == [("to 4300", "4300", two)]
    assert given.origin
    assert given.origin.at // 1000 == NOW_S + 1
    assert comes(driver, "whatsapp", early, secret=provider.secret) == 200
    claim()
    assert {each.message_id for each in driver.process()} <= {given.message_id}


def sent_from(driver: Driver, **where: Any) -> list[tuple[str, str]]:
    """The accounts that a message is sent from, each with the address."""
    accepted = driver.send("shop", "hello", **where)
    message = next(each for each in driver.process() if each.message_id == accepted["message_id"])
    return [(each.account, each.address) for each in message.recipients]


def test_each_person_is_answered_from_the_account_that_they_wrote_to(begin: Callable[..., Driver], provider: Provider) -> None:
    """Whom they wrote to last, while that is there. Where only another account may write to them, that is said at once."""
    driver = begin()
    driver.service("shop", "send")
    one, two = (connect(driver, provider, "whatsapp", each) for each in ("4200", "4300"))
    comes(driver, "whatsapp", whatsapp("4200", ANA, 1), secret=provider.secret)
    comes(driver, "whatsapp", whatsapp("4300", BO, 2), secret=provider.secret)
    driver.process()
    to_ana, to_bo = {"to": [f"whatsapp:+{ANA}"]}, {"to": [f"whatsapp:+{BO}"]}
    assert sent_from(driver, **to_ana) == [(one, f"+{ANA}")]
    assert sent_from(driver, **to_bo) == [(two, f"+{BO}")]
    text = {"payload": {"type": "text", "text": "x"}}
    assert driver.refused("shop", "POST", "/v1/messages", text | to_ana | {"via": two})[0] == "outside_window"
    comes(driver, "whatsapp", whatsapp("4300", ANA, 3), secret=provider.secret)
    driver.process()
    assert sent_from(driver, **to_ana) == [(two, f"+{ANA}")]
    assert sent_from(driver, **to_ana, via=one) == [(one, f"+{ANA}")]
    assert driver.call("ops", "DELETE", f"/v1/accounts/{two}").status_code == 204
    assert sent_from(driver, **to_ana) == [(one, f"+{ANA}")]
    assert driver.refused("shop", "POST", "/v1/messages", text | to_bo)[0] == "outside_window"


def test_who_never_wrote_hears_from_the_default_unless_another_is_chosen(
    begin: Callable[..., Driver], provider: Provider
) -> None:
    """That is the account that was connected first; a bot may write to whom started it without our knowing."""
    driver = begin()
    driver.service("shop", "send")
    one, two = (connect(driver, provider, "telegram", each) for each in (provider.bot, "88:b0t-token-of-another"))
    assert sent_from(driver, to=["telegram:5007"]) == [(one, "5007")]
    assert sent_from(driver, to=["telegram:5007"], via=two) == [(two, "5007")]
    assert [each["is_default"] for each in (driver.ask("ops", "GET", f"/v1/accounts/{name}") for name in (one, two))] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("where", "status", "code"),
    [
        ({"via": "nobody"}, 422, "unknown_account"),
        ({"via": "telegram"}, 422, "invalid"),
        ({"via": "whatsapp"}, 422, "unknown_account"),
        ({"channels": ["telegram"]}, 422, "invalid"),
    ],
)
def test_an_account_that_cannot_send_this_is_refused(
    begin: Callable[..., Driver], provider: Provider, where: dict[str, Any], status: int, code: str
) -> None:
    """It is not there, not in use, or of another channel."""
    driver = begin()
    driver.service("shop", "send")
    account = connect(driver, provider, "whatsapp", "4200")
    body = {"payload": {"type": "text", "text": "x"}, "to": [f"whatsapp:+{ANA}"], "via": account} | where
    said = driver.ask("shop", "POST", "/v1/messages", body, expect=status)
    assert (said["code"], "via" in json.dumps(said)) == (code, True)


def test_who_may_not_send_for_others_chooses_no_account(driver: Driver, provider: Provider) -> None:
    """People have the account that fits."""
    driver.people("alice", "bob")
    account = connect(driver, provider, "whatsapp", "4200")
    body = {"payload": {"type": "text", "text": "x"}, "to": ["bob"], "via": account}
    assert driver.ask("alice", "POST", "/v1/messages", body, expect=403)["code"] == "scope_needed"


def test_bots_are_told_apart_by_their_addresses(driver: Driver, provider: Provider) -> None:
    """Nothing in an update says which bot it is of."""
    bots = ["77:b0t-token-of-the-provider", "88:b0t-token-of-another"]
    accounts = [
        connect(driver, provider, "telegram", each, webhook_secret=f"s3cret-{number}") for number, each in enumerate(bots)
    ]
    for number, account in enumerate(accounts):
        person = {"id": 500 + number, "is_bot": False, "first_name": "Ana"}
        message = {
            "message_id": 1,
            "date": 1_700_000_000,
            "chat": {"id": 500 + number, "type": "private"},
            "from": person,
            "text": "x",
        }
        place = f"/channels/telegram/accounts/{account}/webhook"
        said = json.dumps({"update_id": 1, "message": message})
        for secret, status in ((f"s3cret-{1 - number}", 403), (f"s3cret-{number}", 200)):
            answer = driver.client.post(place, data=said, headers={"X-Telegram-Bot-Api-Secret-Token": secret})
            assert answer.status_code == status
    assert [each[1:] for each in origins(driver.process())] == [("77", accounts[0]), ("88", accounts[1])]


def told(channel: str, account: str) -> dict[str, Any]:
    """An entry with what became of a message that this account sent."""
    if channel == "whatsapp":
        status = {"id": "wamid.9", "status": "delivered", "timestamp": str(NOW_S), "recipient_id": ANA}
        return {
            "id": "9",
            "changes": [{"field": "messages", "value": {"metadata": {"phone_number_id": account}, "statuses": [status]}}],
        }
    what = {"delivery": {"mids": ["m_9"], "watermark": NOW_S * 1000}} if channel == "messenger" else {"read": {"mid": "m_9"}}
    event = {"sender": {"id": ANA}, "recipient": {"id": account}, "timestamp": NOW_S * 1000} | what
    return {"id": account, "time": NOW_S * 1000, "messaging": [event]}


@pytest.mark.parametrize("channel", META)
@pytest.mark.parametrize("at", ["of the channel", "its own", "of another account"])
def test_what_becomes_of_messages_is_heard_after_their_account_was_removed(
    driver: Driver, provider: Provider, channel: str, at: str
) -> None:
    """At each address that the provider may know, signed by its app and no other. What people write to it is kept."""
    entry = whatsapp if channel == "whatsapp" else page
    other = connect(driver, provider, channel, "4300") if "another" in at else ""
    gone = connect(driver, provider, channel, "4200")
    assert driver.call("ops", "DELETE", f"/v1/accounts/{gone}").status_code == 204
    to = {"of the channel": "", "its own": gone, "of another account": other}[at]
    assert comes(driver, channel, told(channel, "4200"), secret="another", to=to) == 403
    assert comes(driver, channel, told(channel, "4200"), entry("4200", ANA, 1), secret=provider.secret, to=to) == 200
    [receipt] = driver.statuses()
    assert isinstance(receipt, ProviderReceipt)
    assert (receipt.account, receipt.provider_id) == ("4200", "wamid.9" if channel == "whatsapp" else "m_9")
    assert driver.process() == []
    letters = driver.parts.store.dead_letters(rfc3339(now_ms())[:10], 10)
    assert [(each.reason, each.account) for each in letters] == [("unclaimed_account", "4200")]
    again = connect(driver, provider, channel, "4200")
    assert comes(driver, channel, entry("4200", ANA, 2), secret=provider.secret, to=again) == 200
    assert origins(driver.process()) == [("to 4200", "4200", again)]
    assert comes(driver, channel, entry("4200", ANA, 3), secret=provider.secret, to=gone) == 200
    assert origins(driver.process()) == [("to 4200", "4200", again)] * 2


def test_an_app_that_had_an_account_speaks_for_it_no_more(driver: Driver, provider: Provider) -> None:
    """It is back with another app: what the first one signs, even at the address that it knew, comes from nobody."""
    gone = connect(driver, provider, "whatsapp", "4200")
    assert driver.call("ops", "DELETE", f"/v1/accounts/{gone}").status_code == 204
    first, provider.secret = provider.secret, "another-app-s3cret"
    connect(driver, provider, "whatsapp", "4200", app_secret=provider.secret)
    for to in (gone, ""):
        assert comes(driver, "whatsapp", whatsapp("4200", ANA, 1), secret=first, to=to) == (200 if to else 403)
    assert driver.process() == []


def test_a_removed_account_keeps_nothing_that_sends(driver: Driver, provider: Provider) -> None:
    """Only what its webhooks are verified with; a bot, of whose messages nobody tells, keeps nothing."""
    seal = Seal(driver.parts.settings)
    for channel, kept in (("whatsapp", {"app_secret": provider.secret}), ("telegram", {})):
        gone = connect(driver, provider, channel, provider.bot if channel == "telegram" else "4200")
        assert driver.call("ops", "DELETE", f"/v1/accounts/{gone}").status_code == 204
        row = driver.parts.store.account(gone)
        assert row
        assert (seal.open(row.sealed, dict[str, str]) if row.sealed else {}) == kept


def test_health_says_what_the_provider_said_and_what_to_do(driver: Driver, provider: Provider) -> None:
    """By checks and by webhooks, each about the accounts that it names; nothing is told of an account that is well."""
    provider.wrong = {"number": {"display_phone_number": "+1 555 078 3881"}}
    one = connect(driver, provider, "whatsapp", "4200")
    provider.wrong = {"number": {"display_phone_number": "+1 555 078 3882"}, "debug": {"expires_at": now_ms() // 1000 + 86_400}}
    two = connect(driver, provider, "whatsapp", "4300")
    health = {each: driver.ask("ops", "GET", f"/v1/accounts/{each}/health") for each in (one, two)}
    assert (health[one]["quality"], health[one]["advice"]) == ("GREEN", [])
    assert [each["code"] for each in health[two]["advice"]] == ["credentials_expire"]
    flagged = {"display_phone_number": "15550783881", "event": "FLAGGED", "current_limit": "TIER_2K"}
    restricted = {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ALCOHOL"}}
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("9", "phone_number_quality_update", flagged),
        ("9", "account_update", restricted),
        ("8", "account_update", {"event": "ACCOUNT_DELETED"}),
    ]
    for business, field, value in told:
        entry = {"id": business, "changes": [{"field": field, "value": value}]}
        assert comes(driver, "whatsapp", entry, secret=provider.secret) == 200
        assert comes(driver, "whatsapp", entry, secret="another") == 403
    after = {each: driver.ask("ops", "GET", f"/v1/accounts/{each}/health") for each in (one, two)}
    assert (after[one]["quality"], after[one]["tier"], after[two]["quality"]) == ("RED", "TIER_2K", "GREEN")
    assert {after[each]["restriction"] for each in (one, two)} == {"ACCOUNT_VIOLATION ALCOHOL"}
    assert [each["code"] for each in after[one]["advice"]] == ["restricted", "quality_low"]
    assert all(each["mend"] for each in after[two]["advice"])
    assert driver.ask("ops", "GET", "/v1/accounts/telegram/health") == {
        "account_id": "telegram",
        "state": "active",
        "advice": [],
    }
    assert driver.ask("ops", "GET", "/v1/accounts/nobody/health", expect=404)["code"] == "unknown_account"


def fares(driver: Driver, provider: Provider, channel: str, state: str) -> str:
    """An account that was used and is in this state now; its id."""
    account = connect(driver, provider, channel, "4200")
    place = f"/v1/accounts/{account}"
    if state == "paused":
        driver.ask("ops", "POST", f"{place}/pause")
    elif state == "failing":
        provider.wrong = {"error": (190, 0)}
        driver.ask("ops", "POST", f"{place}/check")
        provider.wrong = {}
    elif state in {"removed", "connecting"}:
        assert driver.call("ops", "DELETE", place).status_code == 204
    if state == "connecting":
        account = connect(driver, provider, channel, "4200", check=False)
    row = driver.parts.store.account(account)
    assert (row.state if row else "") == state
    return account


@pytest.mark.parametrize("channel", META)
@pytest.mark.parametrize("state", ["connecting", "active", "paused", "failing", "removed"])
def test_what_becomes_of_messages_is_heard_whatever_their_account_is(
    driver: Driver, provider: Provider, channel: str, state: str
) -> None:
    """At its own address, that of the channel, and that of another account of its app. None of it becomes a letter."""
    account = fares(driver, provider, channel, state)
    other = connect(driver, provider, channel, "4300")
    for to in (account, "", other):
        assert comes(driver, channel, told(channel, "4200"), secret=provider.secret, to=to) == 200
    heard = [(each.account, each.provider_id) for each in driver.statuses() if isinstance(each, ProviderReceipt)]
    assert heard == [("4200", "wamid.9" if channel == "whatsapp" else "m_9")] * 3
    assert driver.parts.store.dead_letters(rfc3339(now_ms())[:10], 10) == []


@pytest.mark.parametrize("channel", META)
@pytest.mark.parametrize("change", ["removed", "connected"])
@pytest.mark.parametrize("at", ["the channel's address", "its own"])
def test_what_comes_in_the_instant_of_a_change_is_heard(
    begin: Callable[..., Driver], provider: Provider, channel: str, change: str, at: str
) -> None:
    """By a process that another one has not told of it yet: what became of messages, and of an account that is there all."""
    driver, late = begin(), begin()
    late.given(live=LiveChannels(late.parts.settings, late.parts.store, every_s=1000))
    late.given(channels=late.parts.live)
    connect(driver, provider, channel, "4300")
    account = connect(driver, provider, channel, "4200") if change == "removed" else ""
    late.parts.live.read()
    if change == "removed":
        assert driver.call("ops", "DELETE", f"/v1/accounts/{account}").status_code == 204
    else:
        account = connect(driver, provider, channel, "4200")
    to = account if at == "its own" else ""
    assert comes(late, channel, told(channel, "4200"), secret=provider.secret, to=to) == 200
    assert [each.account for each in late.statuses() if isinstance(each, ProviderReceipt)] == ["4200"]
    if change == "connected":
        entry = whatsapp if channel == "whatsapp" else page
        assert comes(late, channel, entry("4200", ANA, 1), secret=provider.secret, to=to) == 200
        assert [each.origin.account_id for each in late.process() if each.origin] == [account]
    assert late.parts.store.dead_letters(rfc3339(now_ms())[:10], 10) == []


def test_the_simulators_account_is_heard_of_once_there_is_another(driver: Driver, provider: Provider) -> None:
    """What was sent with it before still becomes something."""
    simulated = driver.parts.channels["whatsapp"].account.account_id
    connect(driver, provider, "whatsapp", "4200")
    secret = driver.parts.settings.secret("whatsapp_app_secret")
    assert comes(driver, "whatsapp", told("whatsapp", simulated), secret=secret) == 200
    assert [each.account for each in driver.statuses() if isinstance(each, ProviderReceipt)] == [simulated]


def test_an_account_that_nobody_confirmed_says_only_what_nobody_guesses(driver: Driver, provider: Provider) -> None:
    """Of a delivery that it names by our reference, which anybody could count through, nothing is believed; nor of others."""
    connect(driver, provider, "whatsapp", "4300")
    provider.secret = "made-up-s3cret-of-somebody"
    made_up = connect(driver, provider, "whatsapp", "4200", check=False, app_secret=provider.secret)
    entry = told("whatsapp", "4200")
    entry["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"] = "whatsapp:0:1:0"
    assert comes(driver, "whatsapp", entry, secret=provider.secret, to=made_up) == 200
    [receipt] = driver.statuses()
    assert isinstance(receipt, ProviderReceipt)
    assert (receipt.account, receipt.reference) == ("4200", "")
    assert comes(driver, "whatsapp", told("whatsapp", "4300"), secret=provider.secret, to=made_up) == 409
    assert comes(driver, "whatsapp", whatsapp("4200", ANA, 1), secret=provider.secret, to=made_up) == 409
    assert driver.statuses() == [receipt]
    assert driver.call("ops", "DELETE", f"/v1/accounts/{made_up}").status_code == 204
    assert comes(driver, "whatsapp", entry, secret=provider.secret, to=made_up) == 404


def test_an_app_names_deliveries_of_its_own_accounts_only(driver: Driver, provider: Provider) -> None:
    """One for an account of another app, or that names a workspace, is matched by what the provider calls the message."""
    connect(driver, provider, "whatsapp", "4200")
    first, provider.secret = provider.secret, "another-app-s3cret"
    connect(driver, provider, "whatsapp", "4300", app_secret=provider.secret)
    own = "whatsapp:0:1:0"
    for account, reference, kept in (("4200", own, own), ("4300", own, ""), ("4200", f"north/{own}", "")):
        entry = told("whatsapp", account)
        entry["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"] = reference
        assert comes(driver, "whatsapp", entry, secret=first) == 200
        last = driver.statuses()[-1]
        assert isinstance(last, ProviderReceipt)
        assert (last.account, last.reference) == (account, kept)
