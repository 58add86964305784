"""`chat4all send --at` and `chat4all scheduled`: said for later, listed, changed, cancelled."""

import json

from chat4all.model.clock import now_ms, rfc3339
from tests.cli.commands import Typed
from tests.cli.test_contacts import settings, typed

__all__ = ["settings", "typed"]


def test_a_message_is_said_for_later_changed_and_cancelled(typed: Typed) -> None:
    """Each line says when, which, how it stands, who to whom, and the words."""
    at, later = rfc3339(now_ms() + 3_600_000), rfc3339(now_ms() + 7_200_000)
    status, name, *_ = typed.fine("send", "--at", at, "whatsapp:+5511999990000", "Good", "morning").split()
    assert status == "scheduled"
    line = f"{at}  {name}  scheduled  crm -> whatsapp:+5511999990000: Good morning"
    assert typed.fine("scheduled", "list").strip() == typed.fine("scheduled", "show", name).strip() == line
    assert typed.fine("scheduled", "list", "--from", "nobody") == ""
    changed = json.loads(typed.fine("scheduled", "change", name, "Good", "day", "--at", later, "--json"))
    assert (changed["send_at"], changed["payload"]) == (later, {"type": "text", "text": "Good day"})
    assert f"{name}  cancelled  " in typed.fine("scheduled", "cancel", name)
    assert typed.fine("scheduled", "list") == ""
    assert "only what waits" in typed.error("scheduled", "change", name, "x")


def test_a_time_without_a_zone_is_refused(typed: Typed) -> None:
    """With a word on how one is written."""
    assert "zone" in typed.error("send", "--at", "2026-03-01T09:00:00", "whatsapp:+5511999990000", "x")
