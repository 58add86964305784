"""What is kept for how long: no setting can forget something that another still needs."""

from pathlib import Path
from typing import Any

import pytest

from chat4all.model.clock import DAY_MS
from chat4all.model.retention import (
    Retention,
    before,
)
from chat4all.settings import Settings, SettingsError, load


def test_messages_are_kept_for_ever_by_default(tmp_path: Path) -> None:
    """And with them their ids, and their files."""
    assert Settings(data=tmp_path).retention == Retention(deliveries=28, handles=26, letters=90, webhook_calls=7)


def test_what_is_left_open_follows_from_messages(tmp_path: Path) -> None:
    """Ids outlive messages by what the log or a provider may repeat; files do not outlive them."""
    kept = Settings(data=tmp_path, keep_messages_days=100).retention
    assert (kept.messages, kept.ids, kept.files) == (100, 115, 100)
    assert Settings(data=tmp_path, keep_messages_days=100, keep_files_days=40).retention.files == 40
    assert Settings(data=tmp_path, keep_messages_days=100, keep_files_days=400).retention.files == 100


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("HANDLES", {"keep_handles_days": 7}),
        ("DELIVERIES", {"keep_deliveries_days": 27}),
        ("DELIVERIES", {"keep_handles_days": 0}),
        ("DELIVERIES", {"give_up_h": 72}),
        ("DELIVERIES", {"log_retention_h": 24 * 30}),
        ("MESSAGES", {"keep_messages_days": 27}),
        ("MESSAGES", {"keep_messages_days": 100, "keep_deliveries_days": 0, "keep_handles_days": 0}),
        ("IDS", {"keep_messages_days": 100, "keep_ids_days": 114}),
        ("IDS", {"keep_ids_days": 365}),
        ("LETTERS", {"keep_letters_days": 14}),
        ("FILES", {"keep_files_days": 8}),
    ],
)
def test_too_short_is_refused_with_the_variable_and_the_reason(
    named: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sets it reads how long it must be, and why."""
    for name, value in wrong.items():
        monkeypatch.setenv(f"CHAT4ALL_{name.upper()}", str(value))
    with pytest.raises(SettingsError, match=rf"^CHAT4ALL_KEEP_{named}_DAYS: .*\(for ever\): "):
        load()


@pytest.mark.parametrize("days", [-1, 7301])
def test_days_are_within_what_every_store_can_keep(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cassandra refuses more than twenty years when a row is written, which would be too late."""
    monkeypatch.setenv("CHAT4ALL_KEEP_MESSAGES_DAYS", str(days))
    with pytest.raises(SettingsError, match="CHAT4ALL_KEEP_MESSAGES_DAYS: "):
        load()


@pytest.mark.parametrize("days", [0, 91])
def test_the_log_of_webhooks_is_kept_for_some_days(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever: Cassandra's is read day by day."""
    monkeypatch.setenv("CHAT4ALL_KEEP_WEBHOOK_CALLS_DAYS", str(days))
    with pytest.raises(SettingsError, match="CHAT4ALL_KEEP_WEBHOOK_CALLS_DAYS: "):
        load()


def test_nothing_is_older_than_for_ever() -> None:
    """0 days is no limit."""
    assert before(0, 10**13) == 0
    assert before(1, 10**13) == 10**13 - DAY_MS
    assert before(7200, 5) == 0
