"""History shows messages as they are now, to who may know; what a provider sent is for who manages."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from chat4all.model.content import Deletion, Edit, Modifier, Reaction, Text, Vote
from chat4all.model.messages import Message
from chat4all.model.modifiers import Modification, Place
from chat4all.ports import Registration
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage"), "shop": ("send",)}


def said(driver: Driver, *texts: str, conversation: str = "") -> list[Message]:
    """What alice says in a group."""
    talk = conversation or driver.group("alice", "bob")
    for text in texts:
        driver.send("alice", text, conversation_id=talk, metadata={"words": text})
    return [each for each in driver.process() if each.conversation_id == talk]


def modify(driver: Driver, target: Message, content: Modifier, sender: str = "alice", **more: Any) -> None:
    """What persist does with a modifier: its message, and the fact of its target."""
    seq = more.pop("seq", 1_000_000)
    store, version = driver.parts.store, more.get("members_version", target.members_version)
    name = f"00000000-0000-4000-9000-{seq:012}"
    store.register([Registration(target.conversation_id, name, seq, "d")])
    store.put_messages([Message(name, target.conversation_id, sender, content, version, 5_000 + seq, seq=seq)])
    store.put_modifications([Modification(target.conversation_id, target.seq, seq, 5_000, content, sender, **more)])


def shown(driver: Driver, message: Message, who: str = "bob", query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = driver.ask(who, "GET", f"/v1/messages/{message.message_id}{query}")
    return found


def page(driver: Driver, message: Message, who: str = "bob", query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = driver.ask(who, "GET", f"/v1/conversations/{message.conversation_id}/messages{query}")[
        "messages"
    ]
    return found


AT = "1970-01-01T00:00:05.000Z"


def test_reactions_and_edits_are_shown_with_their_message(gateway: Driver) -> None:
    """In history and alone: the words of now, when that was, and who feels what."""
    [message] = said(gateway, "helo")
    modify(gateway, message, Edit(Text("hello"), message.message_id))
    modify(gateway, message, Reaction(message.message_id, "👍"), "bob", seq=1_000_001)
    for found in (shown(gateway, message), page(gateway, message)[0]):
        assert found["payload"] == {"type": "text", "text": "hello"}
        assert (found["edited_at"], found["reactions"]) == (AT, [{"emoji": "👍", "sender": "bob", "at": AT}])
        assert "deleted_at" not in found


def test_votes_are_shown_at_their_poll(gateway: Driver) -> None:
    """The newest of everybody, by number and words, with who it is where several share an address."""
    talk = gateway.group("alice", "bob")
    poll = {"type": "poll", "question": "When?", "options": ["Nine", "Ten"]}
    gateway.ask("alice", "POST", "/v1/messages", {"conversation_id": talk, "payload": poll}, 202)
    [message] = [each for each in gateway.process() if each.conversation_id == talk]
    modify(gateway, message, Vote(message.message_id, (1,), ("Nine",)), "bob", seq=1_000_001)
    modify(gateway, message, Vote(message.message_id, (2,), ("Ten",)), "bob", seq=1_000_002)
    ines = {"speaker_id": "6010", "speaker": "Ines"}
    modify(gateway, message, Vote(message.message_id, (1,), ("Nine",)), "group", seq=1_000_003, **ines)
    for found in (shown(gateway, message), page(gateway, message)[0]):
        assert found["votes"] == [
            {"options": [2], "titles": ["Ten"], "sender": "bob", "at": AT},
            {"options": [1], "titles": ["Nine"], "sender": "group", "sender_name": "Ines", "at": AT},
        ]


def test_what_nothing_was_said_of_is_as_before(gateway: Driver) -> None:
    """No field more than it had."""
    [message] = said(gateway, "hello")
    assert not {"reactions", "edited_at", "deleted_at"} & shown(gateway, message).keys()


def test_a_deletion_hides_the_words_and_all_that_was_said_beside_them(gateway: Driver) -> None:
    """Also its metadata, its reactions, and the words of its edits, wherever one asks for them."""
    message, other = said(gateway, "secret", "other")
    edit = Edit(Text("new secret"), message.message_id)
    modify(gateway, message, edit)
    modify(gateway, message, Reaction(message.message_id, "👍"), "bob", seq=1_000_001)
    modify(gateway, message, Deletion(message.message_id), seq=1_000_002)
    for found in (shown(gateway, message), page(gateway, message)[0]):
        assert found["payload"] == {"type": "deletion", "target": message.message_id}
        assert found["deleted_at"] == AT
        assert not {"metadata", "reactions", "edited_at"} & found.keys()
    edited = gateway.call("bob", "GET", "/v1/messages/00000000-0000-4000-9000-000001000000")
    assert edited.status_code == 200
    assert "secret" not in edited.get_data(as_text=True)
    assert shown(gateway, other)["payload"]["text"] == "other"


@pytest.mark.parametrize("deleted", [False, True])
def test_what_was_said_first_is_for_who_manages(gateway: Driver, deleted: bool) -> None:
    """With original=1, beside what became of it; everybody else is refused."""
    [message] = said(gateway, "first")
    modify(gateway, message, Deletion(message.message_id) if deleted else Edit(Text("second"), message.message_id))
    for found in (shown(gateway, message, "crm", "?original=1"), page(gateway, message, "crm", "?original=1")[0]):
        assert found["payload"] == {"type": "text", "text": "first"}
        assert found["metadata"] == {"words": "first"}
        assert found["deleted_at" if deleted else "edited_at"] == AT
    for who in ("bob", "shop"):
        for path in (f"/v1/messages/{message.message_id}", f"/v1/conversations/{message.conversation_id}/messages"):
            assert gateway.refused(who, "GET", f"{path}?original=1", expect=403)[0] == "scope_needed"


def test_modifiers_are_no_lines_of_history_and_pages_count_what_is_shown(gateway: Driver) -> None:
    """The newest two are the newest two messages, however many reactions came after; `next` goes on behind them."""
    first, second, third = said(gateway, "1", "2", "3")
    for number in range(30):
        modify(gateway, third, Reaction(third.message_id, "👍"), f"user-{number}", seq=1_000_000 + number)
    assert [each["seq"] for each in page(gateway, first, query="?limit=2")] == [second.seq, third.seq]
    body = gateway.ask("bob", "GET", f"/v1/conversations/{first.conversation_id}/messages?limit=2")
    assert [each["seq"] for each in page(gateway, first, query=f"?before={body['next']}")] == [first.seq]
    assert [each["seq"] for each in page(gateway, first, query="?since=0&limit=3")] == [first.seq, second.seq, third.seq]


def test_a_modifier_whose_target_is_not_known_is_a_line_of_its_own(gateway: Driver) -> None:
    """It happened: somebody took back what we never had."""
    [message] = said(gateway, "hello")
    lone = Message("00000000-0000-4000-9000-000000000009", message.conversation_id, "bob", Deletion(), 1, 5, seq=2_000_000)
    gateway.parts.store.put_messages([lone])
    assert [each["payload"]["type"] for each in page(gateway, message)] == ["text", "deletion"]


def test_who_left_hears_of_deletions_and_not_of_what_was_said_later(gateway: Driver) -> None:
    """Edits and reactions after they left are not theirs to read; a deletion hides the words from everybody."""
    edited, deleted = said(gateway, "first", "gone", conversation=gateway.group("alice", "bob", "eve"))
    assert gateway.call("alice", "DELETE", f"/v1/conversations/{edited.conversation_id}/members/eve").status_code < 300
    later = gateway.parts.store.memberships([edited.conversation_id])[edited.conversation_id].version
    modify(gateway, edited, Edit(Text("second"), edited.message_id), members_version=later)
    modify(gateway, edited, Reaction(edited.message_id, "👍"), "bob", seq=1_000_001, members_version=later)
    modify(gateway, deleted, Deletion(deleted.message_id), seq=1_000_002, members_version=later)
    assert shown(gateway, edited, "bob")["payload"]["text"] == "second"
    theirs = shown(gateway, edited, "eve")
    assert theirs["payload"]["text"] == "first"
    assert not {"reactions", "edited_at"} & theirs.keys()
    assert "deleted_at" in shown(gateway, deleted, "eve")


def test_a_page_costs_one_question(gateway: Driver) -> None:
    """However many messages it has; a page without any asks nothing."""
    messages = said(gateway, *map(str, range(9)))
    asked, real = list[int](), gateway.faults.real.modifications

    def counted(places: Sequence[Place]) -> dict[Place, list[Modification]]:
        asked.append(len(places))
        found: dict[Place, list[Modification]] = real(places)
        return found

    gateway.faults.answer("modifications", counted)
    page(gateway, messages[0])
    assert asked == [9]
    empty = gateway.group("alice", "bob")
    gateway.ask("bob", "GET", f"/v1/conversations/{empty}/messages")
    assert asked == [9]


def test_what_a_provider_sent_is_shown_to_who_manages(gateway: Driver) -> None:
    """Its JSON; a part that was cut as text; 404 where there is none; 403 to everybody else."""
    whole, cut, none = said(gateway, "1", "2", "3")
    gateway.parts.store.put_raw({(whole.conversation_id, whole.message_id): b'{"type":"poll","votes":[1]}'})
    gateway.parts.store.put_raw({(cut.conversation_id, cut.message_id): b'{"type":"po'})
    ask = partial(gateway.ask, "crm", "GET")
    assert ask(f"/v1/messages/{whole.message_id}/raw") == {
        "message_id": whole.message_id,
        "conversation_id": whole.conversation_id,
        "raw": {"type": "poll", "votes": [1]},
    }
    assert ask(f"/v1/messages/{cut.message_id}/raw?conversation_id={cut.conversation_id}")["raw"] == '{"type":"po'
    assert ask(f"/v1/messages/{none.message_id}/raw", expect=404)["code"] == "no_raw"
    assert ask("/v1/messages/00000000-0000-4000-9000-000000000000/raw", expect=404)["code"] == "unknown_message"
    assert ask("/v1/messages/x/raw", expect=422)["code"] == "malformed_uuid"
    for who in ("alice", "shop"):
        assert gateway.refused(who, "GET", f"/v1/messages/{whole.message_id}/raw", expect=403)[0] == "scope_needed"
