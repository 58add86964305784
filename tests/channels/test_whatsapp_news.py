"""What WhatsApp says of numbers and business accounts themselves is read by its codes; its sentences are not kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.channels import whatsapp_news
from chat4all.channels.whatsapp import WhatsApp
from chat4all.model.account_health import AccountNews
from chat4all.ports import Aside
from chat4all.settings import Settings

MOST = "max_daily_conversations_per_business"
QUALITY, TEMPLATE_QUALITY = "phone_number_quality_update", "message_template_quality_update"
# Field, value, what it comes to. As Meta's webhook reference lays them out.
NEWS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    (
        QUALITY,
        {"display_phone_number": "15550783881", "event": "THROUGHPUT_UPGRADE", "current_limit": "TIER_UNLIMITED"},
        {"throughput": "HIGH"},
    ),
    (
        QUALITY,
        {"event": "UPGRADE", MOST: "TIER_10K"},
        {"tier": "TIER_10K"},
    ),
    (QUALITY, {"event": "FLAGGED", "current_limit": "TIER_2K"}, {"tier": "TIER_2K", "quality": "RED"}),
    (QUALITY, {"event": "UNFLAGGED", "current_limit": "TIER_2K"}, {"tier": "TIER_2K", "quality": ""}),
    ("business_capability_update", {"max_daily_conversations_per_business": 2000}, {"tier": "2000"}),
    ("business_capability_update", {"max_daily_conversation_per_phone": -1}, {"tier": "unlimited"}),
    (
        "account_update",
        {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE", "waba_ban_date": "x"}},
        {"restriction": "DISABLED_UPDATE SCHEDULE_FOR_DISABLE"},
    ),
    ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, {"restriction": ""}),
    (
        "account_update",
        {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"}]},
        {"restriction": "ACCOUNT_RESTRICTION RESTRICTED_BIZ_INITIATED_MESSAGING"},
    ),
    (
        "account_update",
        {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ALCOHOL"}},
        {"restriction": "ACCOUNT_VIOLATION ALCOHOL"},
    ),
    (
        "account_alerts",
        {
            "alert_info": {
                "alert_severity": "WARNING",
                "alert_status": "ACTIVE",
                "alert_type": "OBA_DENIED",
                "alert_description": "x",
            }
        },
        {"alert": "WARNING OBA_DENIED"},
    ),
    ("account_alerts", {"alert_severity": "INFORMATIONAL", "alert_type": "OBA_APPROVED"}, {"alert": ""}),
    (
        "message_template_status_update",
        {"event": "REJECTED", "message_template_name": "order_shipped", "message_template_language": "pt_BR", "reason": "x"},
        {"template_trouble": "order_shipped pt_BR REJECTED"},
    ),
    ("message_template_status_update", {"event": "APPROVED", "message_template_name": "a"}, {"template_trouble": ""}),
    (
        "message_template_quality_update",
        {"new_quality_score": "RED", "message_template_name": "a"},
        {"template_trouble": "a RED"},
    ),
]


@pytest.fixture
def channel(tmp_path: Path) -> WhatsApp:
    return WhatsApp(Settings(data=tmp_path))


def webhook(field: str, value: Any) -> bytes:
    entry = {"id": "102290129340398", "time": 1748454394, "changes": [{"field": field, "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


@pytest.mark.parametrize(("field", "value", "notes"), NEWS, ids=[f"{number} {each[0]}" for number, each in enumerate(NEWS)])
def test_news_of_an_account_are_read(channel: WhatsApp, field: str, value: dict[str, Any], notes: dict[str, str]) -> None:
    """With the business account that they are of, and the number where that is named."""
    number = value.get("display_phone_number", "")
    found = [each for each in channel.read_webhook(webhook(field, value)) if isinstance(each, AccountNews)]
    assert found == [AccountNews("whatsapp", notes, "102290129340398", number)]


@pytest.mark.parametrize("field", [*whatsapp_news.READERS, "security"])
def test_what_says_nothing_known_is_passed_over(channel: WhatsApp, field: str) -> None:
    """A new kind of news stops nothing, and what is no object neither."""
    values: list[Any] = [{}, {"event": "SOMETHING_NEW"}, None, [], "text"]
    for value in values:
        found = channel.read_webhook(webhook(field, value))
        assert all(each == Aside("passed_over", field) or isinstance(each, AccountNews) for each in found)
        assert len(found) == 1


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["event", "alert_info", "x"]), inner),
    max_leaves=8,
)
NAMES = ["event", "current_limit", "max_daily_conversations_per_business", "ban_info", "restriction_info", "alert_info",
         "alert_severity", "alert_type", "message_template_name", "violation_info", "display_phone_number"]  # fmt: skip


@given(field=st.sampled_from(list(whatsapp_news.READERS)), value=st.dictionaries(st.sampled_from(NAMES), ANY))
def test_whatever_comes_is_read_without_an_error(field: str, value: dict[str, Any]) -> None:
    """And only codes and names of templates are kept of it."""
    for each in whatsapp_news.read(field, value, "1"):
        assert all(isinstance(text, str) and text == text.strip() for text in each.notes.values())
