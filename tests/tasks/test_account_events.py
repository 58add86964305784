"""What becomes of accounts is told to readers: each change once, under the same id however often that is done."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from chat4all.model.account_health import AccountNews, suspended_for
from chat4all.model.clock import now_ms
from chat4all.model.event_naming import workspace_of_event
from chat4all.model.events import decode
from chat4all.model.failures import Temporary
from chat4all.model.records import EVENTS
from chat4all.ports import ConnectedAccount, MessageStore
from chat4all.services.accounts import changes, news
from chat4all.services.accounts.live import InForce
from chat4all.v1 import chat_pb2 as pb
from tasks.account_events import AccountEvents
from tests.between import Between
from tests.tasks.world import World, asked_anew, world

SHOP = ConnectedAccount("shop", "whatsapp", "1065", "Shop", b"sealed", state="active", changed_at=1_000)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as made:
        yield made


def change(road: World, old: ConnectedAccount | None, new: ConnectedAccount) -> ConnectedAccount:
    assert changes.put(road.store, old, new, road.store.accounts_changed())
    found = road.store.account(new.account_id)
    assert found
    return found


def tell(road: World) -> None:
    changes.tell(road.store, road.log, road.parts.partitions, 5)


def told(road: World) -> list[pb.Event]:
    records = road.log.read(EVENTS, road.everything(EVENTS).ranges, 5)
    return [event for event in (pb.Event.FromString(each.value) for each in records) if event.HasField("account")]


def said(road: World) -> list[tuple[str, str, int, str]]:
    return [
        (each.account.account_id, each.account.change, each.account.account_version, each.account.state) for each in told(road)
    ]


def test_each_change_is_told_once(road: World) -> None:
    """What a change is for readers: settings, or health; a check that finds the same, and what only we need, is none."""
    shop = change(road, None, SHOP)
    tell(road)
    shop = change(road, shop, replace(shop, checked_at=9, claimed_at=9))
    tell(road)
    shop = change(road, shop, replace(shop, state="paused"))
    shop = change(road, shop, replace(shop, health={"quality": "RED", "noted_at": "7"}))
    tell(road)
    change(road, shop, replace(shop, health={"quality": "RED", "noted_at": "8"}))
    tell(road)
    tell(road)
    assert said(road) == [
        ("shop", "updated", 1, "active"),
        ("shop", "updated", 3, "paused"),
        ("shop", "health_changed", 4, "paused"),
    ]
    health = told(road)[-1].account
    assert (dict(health.health), list(health.advice)) == ({"quality": "RED"}, ["quality_low", "paused"])


def test_who_died_after_telling_tells_the_same_again(road: World) -> None:
    """The same ids and words, as nobody had noted that it was told; what changed meanwhile has another id."""
    shop = change(road, None, replace(SHOP, health={"quality": "GREEN"}))

    store = Between(road.store)
    store.fail("raise_progress", Temporary("killed"))
    with pytest.raises(Temporary):
        changes.tell(cast(MessageStore, store), road.log, 1, 5)
    tell(road)
    first, again = told(road)[:2], told(road)[2:]
    assert [each.event_id for each in first] == [each.event_id for each in again]
    assert [each.account for each in first] == [each.account for each in again]
    change(road, shop, replace(shop, name="Another"))
    tell(road)
    assert told(road)[-1].event_id not in {each.event_id for each in first}


def test_a_change_that_comes_while_others_are_told_is_told_after_them(road: World) -> None:
    """It is read beside them, and another of before it may have been missed: nothing is passed over."""
    shop = change(road, None, SHOP)
    number = road.store.accounts_changed()
    change(road, shop, replace(shop, state="paused"))
    store = Between(road.store)
    store.answer("accounts_changed", lambda: number)
    changes.tell(cast(MessageStore, store), road.log, 1, 5)
    assert said(road) == []
    tell(road)
    assert said(road) == [("shop", "updated", 2, "paused")]


def test_a_webhook_about_an_account_is_told(road: World) -> None:
    """Brought twice it is news once."""
    change(road, None, SHOP)
    restricted = AccountNews("whatsapp", {"restriction": "ACCOUNT_VIOLATION"})
    for _ in range(2):
        news.take(road.store, ["shop"], [restricted])
        tell(road)
    assert [each[1] for each in said(road)] == ["updated", "health_changed"]
    assert dict(told(road)[-1].account.health) == {"restriction": "ACCOUNT_VIOLATION"}


def test_a_workspaces_account_is_told_to_it(road: World) -> None:
    """The event in the log says whose it is; to its readers the account is called as they call it."""
    change(road, None, replace(SHOP, workspace="acme"))
    tell(road)
    [event] = [decode(each) for each in road.log.read(EVENTS, road.everything(EVENTS).ranges, 5)]
    assert workspace_of_event(event) == "acme"
    assert told(road)[0].event_id == "account:acme/shop:1:updated"


def test_a_worker_tells_and_asks_little_where_nothing_changed(road: World) -> None:
    """One number is read; whatever was changed by somebody who ended since is told."""
    change(road, None, SHOP)
    events, begun = AccountEvents(road.parts), []
    for _ in range(2):
        events._looked = -1e9
        thread = events.sweep()
        begun.append(thread is not None)
        if thread:
            thread.join(20)
    assert begun == [True, False]
    assert [each[1] for each in said(road)] == ["updated"]


def test_a_refusal_that_is_the_accounts_suspends_it_for_a_time(road: World) -> None:
    """It is told once however many messages are refused; the later end counts, and what is over by now suspends nothing."""
    now = now_ms()
    change(road, None, SHOP)
    for at in (now - 60_000, now - 1_000, now - 30_000, now - 7_200_000):
        news.suspend(road.store, "shop", "payment", at)
    tell(road)
    [event] = [each.account for each in told(road) if each.account.change == "health_changed"]
    assert dict(event.health) == {"suspended": "payment", "suspended_until": str(now - 1_000 + 900_000)}
    assert list(event.advice) == ["suspended"]
    news.suspend(road.store, "shop", "spam_limit", now)
    kept = road.store.account("shop")
    assert kept
    assert (suspended_for(kept.health, now), suspended_for(kept.health, now + 3_600_000)) == ("spam_limit", "")
    assert InForce(asked_anew(road)["whatsapp"], kept).suspended_for == "spam_limit"
    news.suspend(road.store, "nobody", "payment", now)
