"""Several apps for one provider: each is told of its own accounts, and in each portfolio people have ids of their own."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest

from chat4all.channels import open_channel
from chat4all.ports import Inbound
from tests.channels.conftest import serving
from tests.simulator.calling import graph, text
from tests.simulator.conftest import World, until

ANA = "+5511999990000"
SECRETS = {"one": "secret-of-one", "two": "secret-of-two"}


class Heard:
    """What an app's address was told: path, signature and body."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, bytes]] = []

    async def handle(self, request: BaseRequest) -> web.Response:
        self.calls.append((request.path.strip("/"), request.headers["X-Hub-Signature-256"], await request.read()))
        return web.Response(status=200)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[Heard, str]]:
    kept = Heard()
    async with serving(kept.handle) as url:
        yield kept, url


def apps(url: str, accounts: dict[str, list[str]], **more: Any) -> list[dict[str, Any]]:
    """An app for each secret, with an address of its own."""
    return [
        {"app_id": name, "app_secret": SECRETS[name], "accounts": accounts[name], "url": f"{url}/{name}", "portfolio": name}
        | more
        for name in SECRETS
    ]


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "messenger"])
async def test_each_app_is_told_of_its_own_accounts(world: World, heard: tuple[Heard, str], channel: str) -> None:
    """At its address, signed with its secret; the channel reads what comes; other accounts go to the gateway as before."""
    kept, url = heard
    accounts = {"one": ["4200", "4201"], "two": ["4300"]}
    await world.control("PUT", "/apps", json={"channel": channel, "apps": apps(url, accounts)})
    person = ANA if channel == "whatsapp" else "6789012345"
    for account in ("4200", "4300", "4201"):
        await world.says(channel, person, f"to {account}", account=account)
    await world.says(channel, person, "to the first")
    await until(lambda: len(said(kept, channel, world)) == 3)
    assert sorted(said(kept, channel, world)) == [("one", "4200"), ("one", "4201"), ("two", "4300")]
    for name, signature, body in kept.calls:
        assert signature == "sha256=" + hmac.new(SECRETS[name].encode(), body, hashlib.sha256).hexdigest()
    await until(lambda: [each.text for each in world.gateway.said] == ["to the first"])


def said(kept: Heard, channel: str, world: World) -> list[tuple[str, str]]:
    """(app, account) of everything that people wrote, as the channel reads it for each account."""
    found = []
    for account in ("4200", "4201", "4300"):
        named = "phone_number_id" if channel == "whatsapp" else "account_id"
        given = {"token": "t", "app_secret": "s", "verify_token": "v", named: account}
        reader = open_channel(channel, world.settings, given)
        for name, _, body in kept.calls:
            found += [(name, account) for each in reader.read_webhook(body) if isinstance(each, Inbound) and not each.is_echo]
    return found


async def test_a_person_has_another_user_id_in_each_portfolio(world: World, heard: tuple[Heard, str]) -> None:
    """In what they write and in answers to sends; accounts of one portfolio know them by one."""
    kept, url = heard
    accounts = {"one": ["4200", "4201"], "two": ["4300"]}
    await world.control("PUT", "/apps", json={"channel": "whatsapp", "apps": apps(url, accounts)})
    for account in ("4200", "4201", "4300"):
        await world.says("whatsapp", ANA, account=account)

    def ids() -> dict[str, str]:
        values = [
            change["value"] for _, _, body in kept.calls for entry in json.loads(body)["entry"] for change in entry["changes"]
        ]
        return {value["metadata"]["phone_number_id"]: value["messages"][0]["from_user_id"] for value in values}

    await until(lambda: len(ids()) == 3)
    assert ids()["4200"] == ids()["4201"] != ids()["4300"]
    _, first = await graph(world, "whatsapp", text("whatsapp", ANA, "oi"))
    assert first["contacts"][0]["user_id"] not in ids().values()


async def test_apps_that_cannot_be_are_refused(world: World) -> None:
    """Two for one account, an address elsewhere, a provider without apps; secrets are not told, and forgetting forgets them."""
    one = {"app_id": "one", "app_secret": "s", "accounts": ["1"]}
    for wrong in (
        {"channel": "telegram", "apps": []},
        {"channel": "whatsapp", "apps": [one, one | {"app_id": "two"}]},
        {"channel": "whatsapp", "apps": [one | {"url": "https://elsewhere.example/"}]},
    ):
        await world.control("PUT", "/apps", 422, json=wrong)
    told = await world.control("PUT", "/apps", json={"channel": "whatsapp", "apps": [one]})
    assert [each["app_secret"] for each in told["whatsapp"]] == [""]
    await world.control("DELETE", "/")
    assert (await world.control("GET", "/apps"))["whatsapp"] == []
