"""Accounts are looked after: asked about once a day, renewed before their token ends, forgotten when nobody tells of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.account_health import RENEWED, SUSPENDED, SUSPENDED_UNTIL, UNTIL, at_of
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.ports import ConnectedAccount
from chat4all.services.seal import Seal
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, Reading
from tasks.account_care import TOLD_MS, AccountCare
from tests.tasks.world import World, asked_anew, world
from tests.webapp.graph import Provider, asked_by_all


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with asked_by_all(monkeypatch) as made:
        yield made


@pytest.fixture
def road(tmp_path: Path, provider: Provider) -> Iterator[World]:
    with world(tmp_path, partitions=1, provider_timeout_s=2) as made:
        yield made


def with_account(road: World, provider: Provider, channel: str, **changed: object) -> None:
    """One that was asked about just now, and is a month old."""
    name = "account_id" if channel == "instagram" else "phone_number_id"
    given = {"token": provider.token, name: provider.account, "app_secret": provider.secret, "verify_token": "v"}
    sealed, now = Seal(road.parts.settings).seal(given), now_ms()
    row = ConnectedAccount(f"my-{channel}", channel, provider.account, sealed=sealed, state="active", checked_at=now)
    row = replace(row, created_at=now - 30 * DAY_MS)
    put(road, replace(row, **changed))


def put(road: World, row: ConnectedAccount) -> None:
    assert road.store.put_account(row, road.store.accounts_changed())


def row(road: World, account_id: str) -> ConnectedAccount:
    found = road.store.account(account_id)
    assert found
    return found


@pytest.fixture
def look(road: World) -> Callable[[], bool]:
    """A sweep, as after a minute; whether something was due."""
    care = AccountCare(road.parts, asked_anew(road))

    def once() -> bool:
        care._looked = -1e9
        thread = care.sweep()
        if thread:
            thread.join(20)
        return thread is not None

    return once


def read(reading: Reading, channel: str) -> float:
    return READERS[reading]()[channel,]


def test_an_account_is_asked_about_once_a_day(road: World, provider: Provider, look: Callable[[], bool]) -> None:
    """What is wrong makes it failing, which the metric says; what the provider says of it is noted."""
    with_account(road, provider, "whatsapp")
    assert not look()
    provider.wrong = {"debug": {"expires_at": now_ms() // 1000 + 864_000}, "number": {"quality_rating": "YELLOW"}}
    put(road, replace(row(road, "my-whatsapp"), checked_at=now_ms() - DAY_MS))
    assert look()
    assert row(road, "my-whatsapp").health["quality"] == "YELLOW"
    assert not look()
    ends = read(metrics.ACCOUNT_TOKEN_ENDS, "whatsapp")
    assert 863_000 < ends < 864_001
    assert read(metrics.ACCOUNTS_REFUSED, "whatsapp") == 0
    provider.token = "another-token"
    put(road, replace(row(road, "my-whatsapp"), checked_at=1))
    look()
    look()
    assert (row(road, "my-whatsapp").state, row(road, "my-whatsapp").reason) == ("failing", "token_refused")
    assert read(metrics.ACCOUNTS_REFUSED, "whatsapp") == 1


def test_a_token_is_renewed_before_it_ends(road: World, provider: Provider, look: Callable[[], bool]) -> None:
    """Once a week, and not before it is a day old; the new one is sealed in place of the old one, nothing else changes."""
    with_account(road, provider, "instagram", created_at=now_ms())
    assert not look()
    put(road, replace(row(road, "my-instagram"), created_at=now_ms() - 2 * DAY_MS))
    provider.wrong = {"renewed": "renewed-token"}
    assert look()
    kept = row(road, "my-instagram")
    given = Seal(road.parts.settings).open(kept.sealed, dict[str, str])
    assert (given["token"], given["app_secret"]) == ("renewed-token", provider.secret)
    assert 59 * DAY_MS < at_of(kept.health, UNTIL) - now_ms() <= 60 * DAY_MS
    assert not look()
    put(road, replace(kept, health=kept.health | {RENEWED: str(now_ms() - 8 * DAY_MS)}))
    assert look()
    assert provider.calls.count("/refresh_access_token") == 2


def test_a_renewal_that_fails_keeps_what_there_is(road: World, provider: Provider, look: Callable[[], bool]) -> None:
    """It is tried again at the next look."""
    with_account(road, provider, "instagram")
    before, provider.token = row(road, "my-instagram"), "another-token"
    for _ in range(2):
        assert look()
    assert row(road, "my-instagram") == before


def test_what_verifies_webhooks_of_a_removed_account_is_kept_for_a_month(
    road: World, provider: Provider, look: Callable[[], bool]
) -> None:
    """So long a provider tells what became of messages."""
    with_account(road, provider, "whatsapp", state="removed", changed_at=now_ms() - TOLD_MS + 60_000)
    assert not look()
    put(road, replace(row(road, "my-whatsapp"), changed_at=now_ms() - TOLD_MS - 60_000))
    assert look()
    assert row(road, "my-whatsapp").sealed == b""
    assert not look()


def test_that_an_account_is_sent_from_again_is_said_a_minute_after(
    road: World, provider: Provider, look: Callable[[], bool]
) -> None:
    """While its provider refuses what is sent the metric says so; resumed or over, the health says nothing of it any more."""
    with_account(
        road, provider, "whatsapp", health={SUSPENDED: "payment", SUSPENDED_UNTIL: str(now_ms() + 60_000), "quality": "GREEN"}
    )
    assert not look()
    assert read(metrics.ACCOUNTS_SUSPENDED, "whatsapp") == 1
    kept = row(road, "my-whatsapp")
    put(road, replace(kept, health=kept.health | {SUSPENDED_UNTIL: str(now_ms() - 1)}))
    assert look()
    assert read(metrics.ACCOUNTS_SUSPENDED, "whatsapp") == 0
    kept = row(road, "my-whatsapp")
    assert (SUSPENDED in kept.health, SUSPENDED_UNTIL in kept.health, kept.health["quality"]) == (False, False, "GREEN")
    assert not look()
