"""Unread messages over REST: what counts for a member and for those who answer, the bound, the filter, and who is told."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.deliveries import Watermark
from chat4all.model.records import Position
from tests.webapp.driver import Driver
from webapp.queries.unread import AT_ONCE
from webapp.requests.bounds import Bounds

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage"), "desk": ("send", "manage"), "bot": ("send",)}
CARLA = "+5511999990000"


def count(driver: Driver, who: str, talk: str) -> int | None:
    """What one conversation says, which is what lists of all orders and the filter say of it."""
    shown: dict[str, Any] = driver.ask(who, "GET", f"/v1/conversations/{talk}")
    for order in ("id", "activity"):
        listed = driver.ask(who, "GET", f"/v1/conversations?order={order}")["conversations"]
        found = [each.get("unread") for each in listed if each["conversation_id"] == talk]
        assert found in ([], [shown.get("unread")])
    if "unread" in shown:
        assert (talk in filtered(driver, who, "true")) == bool(shown["unread"])
        assert (talk in filtered(driver, who, "false")) == (not shown["unread"])
    return shown.get("unread")


def filtered(driver: Driver, who: str, is_unread: str, **query: str) -> list[str]:
    """All conversations that the filter lets through, by pages of two."""
    found, after = [], ""
    while True:
        path = urlencode({"unread": is_unread, "limit": 2, "after": after, **query})
        answer = driver.ask(who, "GET", f"/v1/conversations?{path}")
        found += [each["conversation_id"] for each in answer["conversations"]]
        if "next" not in answer:
            return found
        after = answer["next"]


def read(driver: Driver, who: str, talk: str, up_to: int) -> None:
    """Somebody says how far they have read, and the pipeline has heard it."""
    driver.ask(who, "POST", f"/v1/conversations/{talk}/read", {"up_to": up_to}, 202)
    heard = [each for each in driver.statuses() if isinstance(each, Position) and each.conversation_id == talk][-1]
    mark = Watermark(talk, heard.user_id, heard.up_to, heard.at, heard.up_to, heard.at)
    driver.parts.store.raise_watermarks([mark])


def newest(driver: Driver, talk: str) -> int:
    """The seq of what was said last."""
    return int(driver.parts.store.last_seqs([talk])[talk])


def test_what_others_said_after_the_position_counts(gateway: Driver) -> None:
    """One's own does not, and is no mark either; what was read does not; nor does what is no message by itself."""
    talk = gateway.private("alice", "bob")
    assert count(gateway, "bob", talk) == 0
    first = gateway.send("alice", "one", conversation_id=talk)
    gateway.send("alice", "two", conversation_id=talk)
    gateway.send("bob", "three", conversation_id=talk)
    gateway.process()
    assert (count(gateway, "alice", talk), count(gateway, "bob", talk)) == (1, 2)
    gateway.ask("alice", "POST", "/v1/messages", {"conversation_id": talk, "payload": reaction(first["message_id"])}, 202)
    gateway.process()
    assert count(gateway, "bob", talk) == 2
    read(gateway, "bob", talk, newest(gateway, talk) - 2)
    assert count(gateway, "bob", talk) == 0
    gateway.send("alice", "four", conversation_id=talk)
    gateway.process()
    assert (count(gateway, "alice", talk), count(gateway, "bob", talk)) == (1, 1)


def reaction(target: str) -> dict[str, str]:
    """A reaction's payload."""
    return {"type": "reaction", "target": target, "emoji": "👍"}


def test_notes_count_for_those_who_answer_only(gateway: Driver) -> None:
    """Not for their writer, not for members; a bot of the deployment has no position, so no count."""
    talk = gateway.private("alice", "bob")
    gateway.send("crm", "he owes us money", conversation_id=talk, visibility="internal")
    gateway.process()
    assert [count(gateway, who, talk) for who in ("alice", "bob", "crm", "desk", "bot")] == [0, 0, 0, 1, None]


def test_those_who_answer_count_what_the_customer_said(gateway: Driver) -> None:
    """Each by their own position, without being members; what the house said, from whatever name, is nobody's unread."""
    said = gateway.writes("whatsapp", CARLA, "hello", "p1")
    talk = said.conversation_id
    inbox = next(each for each in gateway.parts.store.memberships([talk])[talk].now() if each != said.sender)
    gateway.process()
    gateway.send("crm", "what can we do?", conversation_id=talk, sender=inbox)
    gateway.process()
    assert (count(gateway, "crm", talk), count(gateway, "desk", talk)) == (1, 1)
    read(gateway, "crm", talk, newest(gateway, talk))
    assert (count(gateway, "crm", talk), count(gateway, "desk", talk)) == (0, 1)
    gateway.writes("whatsapp", CARLA, "my order", "p2")
    gateway.process()
    assert (count(gateway, "crm", talk), count(gateway, "desk", talk)) == (1, 2)
    assert filtered(gateway, "crm", "true", state="open") == [talk]
    assert filtered(gateway, "crm", "true", state="closed") == []


def test_who_comes_later_or_left_counts_what_they_may_read(gateway: Driver) -> None:
    """Messages of before do not count for who joined; who has left has no count."""
    talk = gateway.group("alice", "bob")
    gateway.send("alice", "before", conversation_id=talk)
    gateway.process()
    gateway.ask("alice", "POST", f"/v1/conversations/{talk}/members", {"members": ["eve"]})
    assert (count(gateway, "eve", talk), count(gateway, "bob", talk)) == (0, 1)
    gateway.send("alice", "after", conversation_id=talk)
    gateway.process()
    assert (count(gateway, "eve", talk), count(gateway, "bob", talk)) == (1, 2)
    gateway.call("bob", "DELETE", f"/v1/conversations/{talk}/members/bob")
    assert "unread" not in gateway.ask("bob", "GET", f"/v1/conversations/{talk}")


def test_counting_ends_at_a_bound(gateway: Driver) -> None:
    """A hundred or more is one number; behind very much that does not count at least one is told, and the rest is not read."""
    gateway.given(bounds=Bounds(unread=AT_ONCE))
    talk = gateway.private("alice", "bob")
    hello = {"conversation_id": talk, "payload": {"type": "text", "text": "hello"}}
    for wanted in (99, 100, 103):
        there = len(gateway.records())
        gateway.ask("alice", "POST", "/v1/messages:batch", {"messages": [hello] * (wanted - there)})
        gateway.process()
        assert gateway.ask("bob", "GET", f"/v1/conversations/{talk}")["unread"] == min(wanted, 100)
    assert gateway.ask("alice", "GET", f"/v1/conversations/{talk}")["unread"] == 1
    gateway.given(bounds=Bounds(unread=2 * AT_ONCE))
    assert gateway.ask("alice", "GET", f"/v1/conversations/{talk}")["unread"] == 0


def test_a_position_beyond_the_end_is_refused_to_all(gateway: Driver) -> None:
    """Who answers has one like everybody; who neither answers nor is a member finds no conversation."""
    talk = gateway.private("alice", "bob")
    gateway.send("alice", "hello", conversation_id=talk)
    gateway.process()
    path = f"/v1/conversations/{talk}/read"
    assert gateway.refused("crm", "POST", path, {"up_to": newest(gateway, talk) + 1})[0] == "position_in_the_future"
    for who in ("eve", "bot"):
        assert gateway.refused(who, "POST", path, {"up_to": 0}, 404)[0] == "unknown_conversation"


WHO = ("alice", "bob", "crm")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("say"), st.sampled_from(("alice", "bob"))),
            st.tuples(st.just("note"), st.just("crm")),
            st.tuples(st.just("read"), st.sampled_from(WHO)),
        ),
        max_size=12,
    )
)
def test_any_course_counts_as_told(gateway: Driver, steps: list[tuple[str, str]]) -> None:
    """After any messages, notes and reading, everybody's count is what a list of all that was done says."""
    talk = gateway.group("alice", "bob")
    done: list[tuple[int, str, bool]] = []
    reached = dict.fromkeys(WHO, 0)
    for what, who in steps:
        if what == "read":
            reached[who] = done[-1][0] if done else 0
            if done:
                read(gateway, who, talk, reached[who])
        else:
            gateway.send(who, what, conversation_id=talk, visibility="internal" if what == "note" else "all")
            gateway.process()
            done.append((newest(gateway, talk), who, what == "note"))
    for who in WHO:
        others = [(seq, is_note) for seq, sender, is_note in done if sender != who and seq > reached[who]]
        wanted = [seq for seq, is_note in others if not is_note or who == "crm"]
        assert gateway.ask(who, "GET", f"/v1/conversations/{talk}")["unread"] == len(wanted)
