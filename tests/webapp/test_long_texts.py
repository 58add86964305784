"""What is too long for one of a conversation's channels: it goes there in parts, and nowhere else."""

import pytest

from chat4all.model.deliveries import Facts
from chat4all.model.slots import slots
from chat4all.ports import Registration
from tasks.stages.fan_out import rows_of
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob")
CLIENTS = {"crm": ("send", "manage")}
CARLA, DORA = "+5511999990000", "+5511999990001"


def _texts(driver: Driver, channel: str) -> list[str]:
    (message,) = driver.records()[-1:]
    named = f"{message.sender_name}: " if message.sender_name else ""
    return [
        (f"{named}{each.payload.as_text()}" if each.parts == 1 else each.payload.as_text())
        for each in slots(message)
        if each.recipient.channel == channel
    ]


LONG = [("ü" * 501, 2, 1), ("word " * 800, 5, 1), ("x" * 4096, 5, 2), ("hi", 1, 1)]


@pytest.mark.parametrize(("words", "instagram", "whatsapp"), LONG)
@pytest.mark.parametrize("way", ["rest", "webhook"])
def test_a_group_over_channels_gets_all_of_a_long_text(
    gateway: Driver, words: str, instagram: int, whatsapp: int, way: str
) -> None:
    """Whoever wrote it: each channel gets it within its limit, in its unit, the speaker's name included."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"instagram:{DORA}", "whatsapp:+5511999990002")
    gateway.ask("crm", "PUT", f"/v1/conversations/{group}/links/whatsapp/{CARLA}")
    if way == "rest":
        gateway.send("alice", words.strip(), conversation_id=group)
    else:
        gateway.writes("whatsapp", CARLA, words.strip(), "p1", sender_name="Carla")
    name = "Alice" if way == "rest" else "Carla"
    for channel, number, most in (("instagram", instagram, 1000), ("whatsapp", whatsapp, 4096)):
        texts, limits = _texts(gateway, channel), gateway.parts.channels[channel].limits
        times = 2 if (channel, way) == ("whatsapp", "rest") else 1
        assert len(texts) == number * times
        assert all(limits.measure(each) <= most for each in texts)
        assert "".join("".join(texts).split()) == "".join(f"{name}: {words}".split()) * times


def test_a_status_is_that_of_all_parts(gateway: Driver) -> None:
    """Each part is a delivery; the message is as far as the slowest, and FAILED for whom one part failed."""
    gateway.send("crm", "word " * 300, to=[f"instagram:{DORA}"], sender="alice")
    (message,) = gateway.records()
    store, partitions = gateway.parts.store, gateway.parts.acceptor.partitions
    store.put_messages([message])
    store.register([Registration(message.conversation_id, message.message_id, message.seq, message.digest)])
    rows = list(rows_of(message, partitions))
    store.put_deliveries(rows)
    path = f"/v1/messages/{message.message_id}"

    def status() -> str:
        return str(gateway.ask("crm", "GET", path)["status"])

    seen = [status()]
    for row, facts in (
        (rows[0], Facts(attempts=1, sent_at=1, provider_id="a", delivered_at=2, read_at=3)),
        (rows[1], Facts(attempts=1, sent_at=1, provider_id="b")),
        (rows[1], Facts(delivered_at=4)),
        (rows[1], Facts(read_at=5)),
    ):
        store.record({row.key: facts})
        seen.append(status())
    assert seen == ["PENDING", "PENDING", "SENT", "DELIVERED", "READ"]
    shown = gateway.ask("crm", "GET", path)["deliveries"]
    assert [(each["part"], each["parts"]) for each in shown if each["channel"] == "instagram"] == [(1, 2), (2, 2)]
