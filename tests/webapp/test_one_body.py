"""One webhook of an app names many accounts: each is given its own, and costs the same however many others there are."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from chat4all.channels import open_channel
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import User, UserKind
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import workspace_of
from chat4all.ports import Channel, Inbound, Update
from chat4all.services.access import tokens
from chat4all.services.accounts.live import InForce, OfApp
from chat4all.services.inbound.intake import Counts
from chat4all.services.inbound.webhooks import Webhooks
from chat4all.settings import Settings
from tests.webapp import test_accounts
from tests.webapp.driver import Driver
from tests.webapp.graph import Provider
from tests.webapp.test_many_accounts import ANA, META, comes, connect, page, told, whatsapp

begin, driver, provider = test_accounts.begin, test_accounts.driver, test_accounts.provider
PLACES = {"acme": ("4300", "4310"), "zeta": ("4400", "4410"), DEFAULT_WORKSPACE: ("4500", "4510")}
# What nobody can read is kept with what this one was told: the default account of the channel.
SIGNER = "4500"
UNKNOWN = ("4900", "4910")
# Twice as much for each account would be a cost that grows with their number; it was fivefold.
FLAT = 2.0


def written(channel: str, account: str, number: int) -> dict[str, Any]:
    return (whatsapp if channel == "whatsapp" else page)(account, ANA, number)


def joined(channel: str, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As Meta tells of numbers of one business account: in one entry, with a change for each."""
    if channel != "whatsapp":
        return list(entries)
    return [{"id": "9", "changes": [change for each in entries for change in each["changes"]]}]


@pytest.mark.parametrize("channel", META)
def test_one_body_is_shared_out(begin: Callable[..., Driver], provider: Provider, channel: str) -> None:
    """Accounts of three workspaces, some of them paused, hear what is theirs, once; what is for strangers is kept for each."""
    driver = begin()
    ours: dict[str, tuple[str, str]] = {}
    for workspace, numbers in PLACES.items():
        boss = User("boss", UserKind.CLIENT, 1, scopes=("admin",))
        driver.parts.within(workspace).store.add_users([boss])
        secret = driver.parts.settings.secret("jwt")
        driver.tokens["ops"] = tokens.issue(boss, tokens.ACCESS, 600, secret, "s", workspace=workspace)
        one, paused = (connect(driver, provider, channel, number) for number in numbers)
        driver.ask("ops", "POST", f"/v1/accounts/{paused}/pause")
        ours |= {numbers[0]: (workspace, one), numbers[1]: (workspace, paused)}
    named = [*UNKNOWN, *ours]
    entries = [written(channel, each, number) for number, each in enumerate(named)]
    broken: list[dict[str, Any]] = [{"id": "9", "changes": "x", "messaging": "x"}]
    assert comes(driver, channel, *joined(channel, entries), *broken, secret=provider.secret) == 200
    heard = [(each.payload.as_text(), each.origin, workspace_of(each.conversation_id)) for each in driver.process()]
    assert sorted((said, origin.account, origin.account_id, where) for said, origin, where in heard if origin) == sorted(
        (f"to {number}", number, account, workspace) for number, (workspace, account) in ours.items()
    )
    letters = driver.parts.store.dead_letters(rfc3339(now_ms())[:10], 10)
    assert sorted((each.reason, each.account) for each in letters) == [
        ("entry", ""), *(("unclaimed_account", each) for each in UNKNOWN),
    ]  # fmt: skip
    for each in letters:
        kept = driver.parts.store.kept_webhook(each.letter_id)
        assert kept
        holds = [number for number in named if f"to {number}" in kept[1].decode()]
        assert holds == [each.account or SIGNER]
    assert comes(driver, channel, *(told(channel, each) for each in named), secret=provider.secret) == 200
    assert sorted(getattr(each, "account", "") for each in driver.statuses()) == sorted(named)


@pytest.mark.parametrize("account", ["4300", "4400"])
@pytest.mark.parametrize("channel", ["instagram", "messenger"])
def test_of_two_accounts_the_known_one_is_told(tmp_path: Any, channel: str, account: str) -> None:
    """The entry names one and the event another: whoever reads it, it is for that which is ours."""
    app = opened(tmp_path, channel, [account, "4800"])
    event = page("4300", ANA, 1) | {"id": "4400"}
    shared = app["4800"].by_account(json.dumps({"entry": [event, page("4800", ANA, 2)]}).encode(), app)
    assert list(shared) == [account, "4800"]
    [said] = app[account].read_webhook(shared[account])
    assert isinstance(said, Inbound)
    assert (said.account, said.provider_id) == (account, "m_1")


def opened(tmp_path: Any, channel: str, accounts: Sequence[str]) -> dict[str, Channel]:
    named = "phone_number_id" if channel == "whatsapp" else "account_id"
    given = {"token": "t", "app_secret": "s", "verify_token": "v"}
    settings = Settings(data=tmp_path)
    return {each: open_channel(channel, settings, given | {named: each}) for each in accounts}


class Heard:
    """Takes whatever comes."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str] | None = None) -> Counts:
        self.updates += updates
        return Counts(len(updates), 0)


class Kept:
    """Counts the bytes that are kept of webhooks."""

    def __init__(self) -> None:
        self.octets = 0

    def keep_webhooks(self, kept: Sequence[tuple[Any, bytes]]) -> None:
        self.octets += sum(len(body) for _, body in kept)


@pytest.mark.parametrize("channel", META)
@pytest.mark.parametrize("known", [1.0, 0.5])
def test_an_account_costs_the_same_among_many(tmp_path: Any, channel: str, known: float) -> None:
    """CPU and what is kept, for each account of a body that names 100 and 400, all of them ours or every second one."""
    cost = {}
    for count in (100, 400):
        names = [str(410_000_000_000 + number) for number in range(count)]
        app = opened(tmp_path, channel, names[: int(count * known)])
        entries = joined(channel, [written(channel, each, number) for number, each in enumerate(names)])
        body, signer = msgspec.json.encode({"object": channel, "entry": entries}), next(iter(app.values()))
        spent, octets = [], 0
        for _ in range(3):
            heard, kept = Heard(), Kept()
            begun = time.process_time()
            Webhooks(kept, heard).take(signer, [body], of_app=OfApp(InForce(signer), app))  # type: ignore[arg-type]
            spent.append(time.process_time() - begun)
            assert sorted(each.account for each in heard.updates if isinstance(each, Inbound)) == sorted(app)
            octets = kept.octets
        cost[count] = (min(spent) / count, octets / count)
    assert cost[400][0] < FLAT * cost[100][0], cost
    assert cost[400][1] <= 1.1 * cost[100][1], cost
