"""What people write to a workspace's account is of that workspace, and they are answered from it."""

from collections.abc import Callable
from typing import Any

import pytest

from chat4all.model.conversations import User, UserKind
from chat4all.model.deliveries import DeliveryKey
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import workspace_of
from chat4all.services.access import tokens
from chat4all.services.accounts.live import LiveChannels
from tasks.lanes.owners import Owners
from tests.webapp import test_accounts
from tests.webapp.driver import Driver
from tests.webapp.graph import Provider
from tests.webapp.test_many_accounts import ANA, comes, connect, whatsapp

begin, driver, provider = test_accounts.begin, test_accounts.driver, test_accounts.provider
NUMBERS = {"acme": "4300", "zeta": "4400", DEFAULT_WORKSPACE: "4500"}


@pytest.fixture
def accounts(driver: Driver, provider: Provider) -> dict[str, str]:
    """One account of one app in each workspace; by workspace what we call it."""
    made = {}
    for workspace, number in NUMBERS.items():
        boss = User("boss", UserKind.CLIENT, 1, scopes=("admin",))
        driver.parts.within(workspace).store.add_users([boss])
        secret = driver.parts.settings.secret("jwt")
        driver.tokens["ops"] = tokens.issue(boss, tokens.ACCESS, 600, secret, "s", workspace=workspace)
        made[workspace] = connect(driver, provider, "whatsapp", number)
        driver.tokens[workspace] = driver.tokens["ops"]
    return made


def contacts(driver: Driver, workspace: str) -> list[Any]:
    found: list[Any] = driver.ask(workspace, "GET", "/v1/contacts")["contacts"]
    return found


@pytest.fixture
def written(driver: Driver, provider: Provider, accounts: dict[str, str]) -> dict[str, str]:
    """Ana has written to all of them, in one webhook of their app; by workspace the conversation, as it calls it."""
    entries = [whatsapp(number, ANA, place) for place, number in enumerate(NUMBERS.values())]
    assert comes(driver, "whatsapp", *entries, secret=provider.secret) == 200
    driver.process()
    return {each: driver.ask(each, "GET", "/v1/conversations")["conversations"][0]["conversation_id"] for each in NUMBERS}


def test_one_webhook_brings_each_workspace_its_own(driver: Driver, accounts: dict[str, str], written: dict[str, str]) -> None:
    """Three people, three conversations, each with what was said to its number."""
    messages = driver.records()
    assert {workspace_of(each.conversation_id): each.payload.as_text() for each in messages} == {
        workspace: f"to {number}" for workspace, number in NUMBERS.items()
    }
    assert {workspace_of(each.sender) for each in messages} == set(NUMBERS)
    for workspace, number in NUMBERS.items():
        [contact] = contacts(driver, workspace)
        assert [each["address"] for each in contact["addresses"]] == [f"+{ANA}"]
        [only] = driver.ask(workspace, "GET", "/v1/conversations")["conversations"]
        [said] = driver.ask(workspace, "GET", f"/v1/conversations/{only['conversation_id']}/messages")["messages"]
        assert said["payload"]["text"] == f"to {number}"
        assert said["origin"]["account_id"] == accounts[workspace]


def test_everybody_is_answered_from_the_account_of_their_workspace(
    driver: Driver, accounts: dict[str, str], written: dict[str, str]
) -> None:
    """The address is still theirs when it is sent to: of each workspace by itself."""
    for workspace, conversation_id in written.items():
        body = {"conversation_id": conversation_id, "from": "inbox-whatsapp", "payload": {"type": "text", "text": "hi"}}
        driver.ask(workspace, "POST", "/v1/messages", body, expect=202)
    rows = [row for each in driver.process() for row in driver.rows(each) if each.payload.as_text() == "hi"]
    store: Any = driver.parts.store
    owners = Owners(store, None)  # type: ignore[arg-type]  # only what it asks the store
    standing = owners._standing({row.key: row for row in rows})
    assert {workspace_of(row.conversation_id) for row in rows} == set(NUMBERS)
    for message in driver.records():
        for recipient in message.recipients:
            assert recipient.account == accounts[workspace_of(message.conversation_id)]
    keys: dict[DeliveryKey, str] = {row.key: row.user_id for row in rows}
    assert {key: found.owner and found.owner.user_id for key, found in standing.items()} == keys


def test_no_workspace_sends_from_another_s_account(driver: Driver, accounts: dict[str, str], written: dict[str, str]) -> None:
    """Named by its id, it is as unknown as one that is nobody's; and no account is connected twice."""
    for workspace, other in (("acme", "zeta"), ("acme", DEFAULT_WORKSPACE), (DEFAULT_WORKSPACE, "acme")):
        body = {"conversation_id": written[workspace], "from": "inbox-whatsapp", "payload": {"type": "text", "text": "x"}}
        foreign = driver.refused(workspace, "POST", "/v1/messages", body | {"via": accounts[other]})
        assert foreign == driver.refused(workspace, "POST", "/v1/messages", body | {"via": "nobody's"})
        driver.ask(workspace, "POST", "/v1/messages", body | {"via": accounts[workspace]}, expect=202)
    assert {each.account for message in driver.records() for each in message.recipients} <= set(accounts.values())


def test_a_channel_without_an_account_of_the_workspace_is_none_of_its_channels(
    driver: Driver, provider: Provider, accounts: dict[str, str]
) -> None:
    """The environment's accounts are of `default`: nothing of another workspace ever goes out from them."""
    body = {"to": ["telegram:123456789"], "payload": {"type": "text", "text": "x"}}
    assert driver.refused("acme", "POST", "/v1/messages", body) == ("bad_address", "to")
    driver.ask(DEFAULT_WORKSPACE, "POST", "/v1/messages", body, expect=202)
    acme = driver.parts.live.within("acme")
    assert list(acme) == ["whatsapp"]
    assert [each.account_id for each in acme.used("whatsapp")] == [accounts["acme"]]
    assert accounts["acme"] not in [each.account_id for each in driver.parts.live.within(DEFAULT_WORKSPACE).used("whatsapp")]


def test_accounts_are_found_by_whose_they_are(driver: Driver, accounts: dict[str, str], begin: Callable[..., Driver]) -> None:
    """In every process."""
    live = LiveChannels(driver.parts.settings, driver.parts.store, every_s=0)
    assert {number: live.workspace_of("whatsapp", number) for number in NUMBERS.values()} == {
        number: workspace for workspace, number in NUMBERS.items()
    }
    assert live.workspace_of("whatsapp", "nobody's") == DEFAULT_WORKSPACE
    assert live.workspace_of("pigeon", "4300") == DEFAULT_WORKSPACE
