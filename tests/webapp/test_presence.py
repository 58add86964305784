"""Who types and who is there, over REST."""

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.failures import Temporary
from chat4all.model.presence import Report
from chat4all.model.records import SIGNALS, Range, Record
from chat4all.model.signals import Cadence
from chat4all.services.presence import Watch, report_record
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}


def said(driver: Driver) -> list[Record]:
    """What was said to who is connected."""
    log = driver.parts.log
    spans = [Range(partition, first, end - 1) for partition, (first, end) in log.ends(SIGNALS).items() if end > first]
    return log.read(SIGNALS, spans, 5)


def reported(driver: Driver, *users: str, left: dict[str, int] | None = None) -> None:
    """What a stream process says, heard at once."""
    driver.parts.log.append([report_record(Report("p", users, left or {}), 2)], 5)
    driver.given(presence=Watch(driver.parts.log))


def seen(driver: Driver, who: str, *users: str) -> list[dict[str, object]]:
    """What somebody is answered."""
    found: list[dict[str, object]] = driver.ask(who, "GET", f"/v1/presence?user_id={','.join(users)}")["presence"]
    return found


def test_typing_is_said_to_who_is_connected(gateway: Driver) -> None:
    """Once in some seconds for each who types, and in a topic of its own: nothing else waits for it."""
    talk = gateway.group("alice", "bob")
    for who in ("alice", "alice", "bob", "crm"):
        gateway.ask(who, "POST", f"/v1/conversations/{talk}/typing", expect=204)
    assert [(each.headers["kind"], each.headers["typing"], each.key) for each in said(gateway)] == [
        ("typing", "alice", talk),
        ("typing", "bob", talk),
        ("typing", "crm", talk),
    ]
    gateway.refused("eve", "POST", f"/v1/conversations/{talk}/typing", expect=404)
    assert len(said(gateway)) == 3


def test_typing_is_answered_while_the_log_is_away(gateway: Driver) -> None:
    """Nobody promises it; and the next ones do not wait for the log."""
    talk = gateway.group("alice", "bob")
    tried = []

    def away(*_: object) -> None:
        tried.append(1)
        raise Temporary("away")

    gateway.log_faults.answer("append", away)
    for _ in range(3):
        gateway.given(cadence=Cadence())
        gateway.ask("alice", "POST", f"/v1/conversations/{talk}/typing", expect=204)
    assert tried == [1]


def test_who_shares_a_conversation_may_know(gateway: Driver) -> None:
    """Strangers and who has left may not; who answers may know of everybody."""
    talk = gateway.group("alice", "bob")
    reported(gateway, "alice", "bob", "eve")
    alice, bob, eve = ({"user_id": name, "online": True} for name in ("alice", "bob", "eve"))
    assert seen(gateway, "alice", "bob", "eve", "alice", "nobody") == [bob, alice]
    assert seen(gateway, "eve", "alice", "eve") == [eve]
    assert seen(gateway, "bot", "alice") == []
    assert seen(gateway, "crm", "eve", "alice", "nobody") == [eve, alice, {"user_id": "nobody", "online": False}]
    gateway.ask("bob", "DELETE", f"/v1/conversations/{talk}/members/bob", expect=204)
    assert seen(gateway, "alice", "bob") == seen(gateway, "bob", "alice") == []


def test_who_has_gone_was_last_seen(gateway: Driver) -> None:
    """As the store says."""
    gateway.group("alice", "bob")
    at = now_ms() // 1000 * 1000
    reported(gateway, "bob", left={"bob": at})
    reported(gateway, left={"bob": at})
    gateway.parts.store.raise_last_seen({"bob": at})
    assert seen(gateway, "alice", "bob") == [{"user_id": "bob", "online": False, "last_seen": rfc3339(at)}]


def test_who_wishes_is_hidden(gateway: Driver) -> None:
    """From everybody, whoever asks; who wishes it is told that they are; and shown again when they wish that."""
    gateway.group("alice", "bob")
    reported(gateway, "bob")
    gateway.parts.store.raise_last_seen({"bob": 5})
    wished = gateway.ask("bob", "PUT", "/v1/users/me/presence", {"hidden": True})
    assert wished == {"user_id": "bob", "online": False, "hidden": True}
    for who in ("alice", "crm"):
        assert seen(gateway, who, "bob") == [{"user_id": "bob", "online": False}]
    assert [each.key for each in said(gateway) if each.headers["kind"] == "presence_wish"] == ["bob"]
    assert gateway.ask("bob", "PUT", "/v1/users/me/presence", {"hidden": False}) == {"user_id": "bob", "online": True}
    assert seen(gateway, "alice", "bob") == [{"user_id": "bob", "online": True}]


def test_what_makes_no_sense_is_refused(gateway: Driver) -> None:
    """With the field that is wrong."""
    assert gateway.refused("alice", "GET", "/v1/presence") == ("invalid", "user_id")
    for wrong in ("", ",", ",".join(f"u{number}" for number in range(51))):
        assert gateway.refused("alice", "GET", f"/v1/presence?user_id={wrong}") == ("invalid", "user_id")
    assert gateway.refused("alice", "PUT", "/v1/users/me/presence", {"hidden": "yes"}) == ("invalid", "hidden")
