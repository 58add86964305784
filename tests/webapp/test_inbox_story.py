"""The inbox from end to end at the gateway: a stranger, a bot, a human, and the stranger again."""

from chat4all.model.clock import DAY_MS, day_of, now_ms
from chat4all.model.deliveries import Watermark
from chat4all.model.ids import inbox_id
from chat4all.services.handling import opened_by
from tests.webapp.driver import Driver

PEOPLE = ("kim",)
CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}
CARLA = "+5511999990000"


def test_a_stranger_is_answered_by_a_bot_and_then_by_a_human(gateway: Driver) -> None:
    """The bot hands over, then it is refused; what was closed is open and unread at the stranger's next words; all counts."""
    talk = gateway.writes("whatsapp", CARLA, "hello", "p1", sender_name="Carla").conversation_id
    gateway.process()
    path, us = f"/v1/conversations/{talk}", inbox_id("whatsapp")
    assert waiting(gateway) == [(talk, 1)]
    gateway.send("bot", "I am a bot", conversation_id=talk, sender=us)
    gateway.process()
    gateway.ask("crm", "PATCH", path, {"handler": "human", "assignee": "kim"})
    assert gateway.send("bot", "and more", conversation_id=talk, sender=us, expect=409)["code"] == "handled_by_human"
    saved = {"title": "Greeting", "shortcut": "hi", "text": "Hi {{name}}, {{agent_first_name}} here"}
    reply = gateway.ask("crm", "POST", "/v1/saved-replies", saved, 201)["reply_id"]
    said = gateway.ask("crm", "POST", f"/v1/saved-replies/{reply}/render", {"conversation_id": talk, "agent": "kim"})
    assert said["payload"]["text"] == "Hi Carla, Kim here"
    gateway.send("crm", said["payload"]["text"], conversation_id=talk, sender=us)
    last = gateway.process()[-1]
    gateway.ask("crm", "POST", f"{path}/read", {"up_to": last.seq}, 202)
    gateway.parts.store.raise_watermarks([Watermark(talk, "crm", last.seq, 1, last.seq, 1)])
    assert waiting(gateway) == [(talk, 0)]
    assert gateway.ask("crm", "PATCH", path, {"state": "closed", "handler": "nobody"})["state"] == "closed"
    assert waiting(gateway) == []
    gateway.writes("whatsapp", CARLA, "one more thing", "p2")
    assert [each.state for each in opened_by(gateway.parts.store, gateway.process())] == ["open"]
    assert waiting(gateway) == [(talk, 1)]
    asked = f"since={day_of(now_ms() - DAY_MS)}&until={day_of(now_ms() + DAY_MS)}&by=channel"
    [row] = gateway.ask("crm", "GET", f"/v1/reports/conversations?{asked}")["rows"]
    assert (row["channel"], row["conversations"], row["messages_in"], row["messages_out"]) == ("whatsapp", 1, 2, 2)


def waiting(gateway: Driver) -> list[tuple[str, int]]:
    """What is open, with how much of it is unread, for those who answer."""
    found = gateway.ask("crm", "GET", "/v1/conversations?state=open")["conversations"]
    return [(each["conversation_id"], each["unread"]) for each in found]
