"""What people write to Messenger and Instagram after 24 hours: who is one the token says, and Meta must have granted it."""

from collections.abc import Iterator
from typing import Any

import pytest
from limits.storage import MemoryStorage
from msgspec.structs import replace

from chat4all.channels import open_channel
from chat4all.model.callers import Caller
from chat4all.model.clock import rfc3339
from chat4all.model.conversations import UserKind
from chat4all.model.records import version_of
from chat4all.model.windows import WindowRule
from chat4all.ports import Channel
from chat4all.ports.accounts import HUMAN_AGENT
from chat4all.settings import Settings
from tests.wakes import Wakes
from tests.webapp.channels import WhatsAppLike
from tests.webapp.driver import Driver, watched
from tests.webapp.test_windows import CARLA, DAY_MS, HOUR_MS, wrote
from webapp.app import create_app

ACCOUNT, TO = "whatsapp-account", f"whatsapp:{CARLA}"


class Meta(WhatsAppLike):
    """As Messenger has it."""

    limits = replace(WhatsAppLike.limits, window=WindowRule(86_400, human_s=7 * 86_400))


def begun(settings: Settings, *features: str) -> Driver:
    channel: Channel = Meta()
    channel.features = frozenset(features)
    driver = Driver(create_app(settings, {"whatsapp": channel}, MemoryStorage(), Wakes(), watched))
    driver.people("alice")
    driver.service("bot", "send", "manage")
    driver.service("boss", "admin")
    driver.service("console", "send", "human")
    # A person cannot write to addresses: somebody founded her conversation with Carla.
    body = {"payload": {"type": "text", "text": "hi"}, "to": [TO], "from": "alice", "outside_window": "hold"}
    driver.ask("bot", "POST", "/v1/messages", body, 202)
    return driver


@pytest.fixture
def gateway(settings: Settings) -> Iterator[Driver]:
    driver = begun(settings, HUMAN_AGENT)
    yield driver
    driver.close()


@pytest.fixture
def plain(settings: Settings) -> Iterator[Driver]:
    driver = begun(settings)
    yield driver
    driver.close()


def says(driver: Driver, who: str, expect: int = 202, **more: Any) -> Any:
    """To Carla, who alone reads it."""
    there = driver.ask("alice", "GET", "/v1/conversations")["conversations"][0]["conversation_id"]
    where = {"conversation_id": there} if who == "alice" else {"to": [TO]}
    return driver.ask(who, "POST", "/v1/messages", {"payload": {"type": "text", "text": "hello"}, **where, **more}, expect)


def test_for_a_week_people_may_write_and_bots_may_not(gateway: Driver) -> None:
    """A person who logged in, and a client with scope human, who may not be claimed by others: not even an admin is one."""
    wrote(gateway, 2 * DAY_MS)
    for who in ("alice", "console"):
        says(gateway, who)
    for who in ("bot", "boss"):
        assert says(gateway, who, 422)["code"] == "outside_window"
    assert says(gateway, "bot", 422, **{"from": "alice"})["code"] == "outside_window"
    said = {each.sender: each for each in gateway.records() if each.sender in ("alice", "console") and not each.holds}
    assert [said[who].recipients[0].as_human for who in ("alice", "console")] == [True, True]
    assert {version_of(each) for each in said.values()} == {7}


def test_after_the_week_nobody_may(gateway: Driver) -> None:
    """That is outside, whoever writes."""
    wrote(gateway, 8 * DAY_MS)
    assert says(gateway, "alice", 422)["code"] == "outside_window"


def test_without_the_feature_people_are_told_that_it_is_missing(plain: Driver) -> None:
    """And how to mend that; a bot is told that it is outside."""
    wrote(plain, 2 * DAY_MS)
    refused = says(plain, "alice", 422)
    assert (refused["code"], refused["errors"][0]["field"]) == ("human_agent_missing", "outside_window")
    assert "features.human_agent" in refused["detail"]
    assert says(plain, "bot", 422)["code"] == "outside_window"
    says(plain, "alice", outside_window="hold")
    assert not plain.records()[-1].recipients[0].as_human


def test_within_the_day_nothing_is_otherwise(plain: Driver) -> None:
    """Who may write does, feature or not."""
    wrote(plain, HOUR_MS)
    says(plain, "alice")
    says(plain, "bot")


@pytest.mark.parametrize("features", [(), (HUMAN_AGENT,)])
def test_windows_say_until_when_people_may_write(features: tuple[str, ...], settings: Settings) -> None:
    """Where the account has the feature."""
    driver = begun(settings, *features)
    talk = wrote(driver, 2 * DAY_MS)
    [shown] = driver.ask("boss", "GET", f"/v1/conversations/{talk}/windows")["windows"]
    at = driver.parts.store.last_wrote([("whatsapp", CARLA)])["whatsapp", CARLA][ACCOUNT]
    assert shown.get("human_until") == (rfc3339(at + 7 * DAY_MS) if features else None)
    assert shown["open"] is False
    driver.close()


@pytest.mark.parametrize(
    ("caller", "is_one"),
    [
        (Caller("a"), True),
        (Caller("a", UserKind.CLIENT, frozenset({"human"})), True),
        (Caller("a", UserKind.CLIENT, frozenset({"admin"})), False),
        (Caller("a", UserKind.CLIENT, frozenset({"send", "manage"})), False),
        (Caller("a", UserKind.CLIENT), False),
    ],
)
def test_who_is_a_person_follows_from_the_token(caller: Caller, is_one: bool) -> None:
    """Nothing that a request says makes one."""
    assert caller.is_human is is_one


@pytest.mark.parametrize("name", ["messenger", "instagram"])
def test_the_environments_account_says_it_by_a_setting(name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is off unless it is set."""
    assert open_channel(name, settings).features == frozenset()
    monkeypatch.setenv(f"{name.upper()}_HUMAN_AGENT", "true")
    assert open_channel(name, settings).features == {HUMAN_AGENT}
