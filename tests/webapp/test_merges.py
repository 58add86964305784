"""Two contacts that are one person, over REST: merged and apart again, with what becomes of what is said meanwhile."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.messages import Message
from tests.webapp.channels import AT
from tests.webapp.driver import Driver
from tests.webapp.test_contacts import text_to, told

CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}
ONE, TWO, THREE = "+5511999990000", "+5511999990001", "+5511999990002"
GRAM = "+77777777"


def contact_of(gateway: Driver, address: str) -> Any:
    """Whoever is found at an address, as the API shows them."""
    [found] = gateway.ask("crm", "GET", f"/v1/contacts?address={address.replace('+', '%2B')}")["contacts"]
    return found


def writes(gateway: Driver, address: str, number: str, channel: str = "whatsapp", **more: Any) -> Message:
    """Somebody writes, and the message is stored."""
    said = gateway.writes(channel, address, "hi", f"id.{address}.{number}", **({"at": AT} | more))
    gateway.process()
    return said


def owner(gateway: Driver, address: str, channel: str = "whatsapp") -> str:
    return gateway.parts.store.owners([(channel, address)])[channel, address].user_id


def merge(gateway: Driver, one: str, other: str) -> Any:
    return gateway.ask("crm", "POST", f"/v1/contacts/{one}/merge", {"contact_id": other})


def unmerge(gateway: Driver, one: str, **body: str) -> Any:
    return gateway.ask("crm", "POST", f"/v1/contacts/{one}/unmerge", body)


@pytest.fixture
def pair(gateway: Driver) -> tuple[str, str]:
    """Two who wrote: the contact that keeps its id when they are merged, and the other; with their first addresses."""
    writes(gateway, ONE, "1", sender_name="Ana")
    writes(gateway, TWO, "1", sender_name="Ana Souza", at=AT + 1)
    low, high = sorted((owner(gateway, ONE), owner(gateway, TWO)))
    return low, high


def addresses(contact: Any) -> set[str]:
    return {each["address"] for each in contact["addresses"]}


@pytest.mark.parametrize("turned", [False, True])
def test_two_contacts_are_one_and_two_again(gateway: Driver, pair: tuple[str, str], turned: bool) -> None:
    """Lists, addresses and either id lead to one; undone, each is to the letter what it was, but for what is noted of it."""
    low, high = pair
    gateway.ask("crm", "PATCH", f"/v1/contacts/{low}", {"tags": ["a"], "notes": "low", "attributes": {"x": 1, "y": 1}})
    gateway.ask("crm", "PATCH", f"/v1/contacts/{high}", {"tags": ["b"], "notes": "high", "attributes": {"x": 2, "z": 2}})
    before = {each: gateway.ask("crm", "GET", f"/v1/contacts/{each}") for each in pair}
    first, second = (high, low) if turned else (low, high)
    one = merge(gateway, first, second)
    assert (one["contact_id"], addresses(one), one["tags"]) == (low, {ONE, TWO}, ["a", "b"])
    assert one["display_name"] == before[first]["display_name"]
    assert one["attributes"] == {"x": before[first]["attributes"]["x"], "y": 1, "z": 2}
    assert one["notes"] == f"{before[first]['notes']}\n\n{before[second]['notes']}"
    [merged] = one["merged"]
    assert (merged["contact_id"], merged["into"], merged["merged_by"]) == (high, low, "crm")
    assert gateway.ask("crm", "GET", f"/v1/contacts/{high}") == one == contact_of(gateway, f"whatsapp:{TWO}")
    assert gateway.ask("crm", "GET", "/v1/contacts")["contacts"] == [one]
    for tag in ("a", "b"):
        assert gateway.ask("crm", "GET", f"/v1/contacts?tag={tag}&limit=1")["contacts"] in ([one], [])
        listed = gateway.ask("crm", "GET", f"/v1/contacts?tag={tag}")["contacts"]
        assert [each["contact_id"] for each in listed] == [low]
    assert merge(gateway, second, first) == one
    unmerge(gateway, low)
    noted = {"version", "changed_at", "changed_by", "past_merges"}
    for each in pair:
        after = gateway.ask("crm", "GET", f"/v1/contacts/{each}")
        assert {name: after[name] for name in after.keys() - noted} == {
            name: before[each][name] for name in before[each].keys() - noted
        }
    [past] = gateway.ask("crm", "GET", f"/v1/contacts/{high}")["past_merges"]
    assert (past["into"], past["merged_by"], past["unmerged_by"]) == (low, "crm", "crm")


def test_readers_hear_that_two_are_one(gateway: Driver, pair: tuple[str, str]) -> None:
    """The one that was merged says so, the other is told anew; saying it again tells nothing."""
    low, high = pair
    heard = len(told(gateway))
    for _ in range(2):
        merge(gateway, low, high)
    assert sorted(told(gateway)[heard:]) == [("contact.merged", high, 1), ("contact.updated", low, 2)]
    gateway.writes("whatsapp", owned_by(gateway, high), "STOP", "id.stop", at=now_ms() + 99)
    assert [each[:2] for each in told(gateway)[heard + 2 :]] == [("contact.consent_changed", low)]
    heard = len(told(gateway))
    unmerge(gateway, high)
    assert sorted(each[:2] for each in told(gateway)[heard:]) == [("contact.unmerged", high), ("contact.updated", low)]


def owned_by(gateway: Driver, user_id: str) -> str:
    return gateway.parts.store.identities([user_id])[user_id][0].address


def test_who_is_written_to_is_reached_where_they_wrote_last(gateway: Driver, pair: tuple[str, str]) -> None:
    """Whichever of the two is named; their answer comes in there, in the name of the one who is in the conversation."""
    low, high = pair
    a, b = owned_by(gateway, low), owned_by(gateway, high)
    merge(gateway, low, high)
    writes(gateway, b, "2", at=AT + 9)
    gateway.send("crm", to=[low])
    said = gateway.records()[-1]
    [recipient] = said.recipients
    assert (recipient.address, recipient.user_id) == (b, high)
    gateway.process()
    gateway.deliver(said, "out.1")
    answer = writes(gateway, b, "3", at=AT + 10)
    assert (answer.conversation_id, answer.sender, answer.recipients) == (said.conversation_id, low, ())
    gateway.send("crm", conversation_id=said.conversation_id, to=[high])
    assert [each.address for each in gateway.records()[-1].recipients] == [b]
    writes(gateway, a, "4", at=AT + 11)
    gateway.send("crm", to=[f"whatsapp:{b}"])
    assert [each.address for each in gateway.records()[-1].recipients] == [a]
    unmerge(gateway, low)
    assert writes(gateway, b, "5", at=AT + 12).sender == high
    gateway.send("crm", to=[f"whatsapp:{b}"])
    assert [each.address for each in gateway.records()[-1].recipients] == [b]


def test_a_group_with_both_tells_the_person_once(gateway: Driver, pair: tuple[str, str]) -> None:
    """And not at all what they said themselves, from whichever address."""
    low, high = pair
    gateway.people("alice")
    group = gateway.group("crm", "alice", low, high)
    gateway.send("alice", conversation_id=group)
    assert len(gateway.records()[-1].recipients) == 2
    merge(gateway, low, high)
    gateway.send("alice", conversation_id=group)
    assert len(gateway.records()[-1].recipients) == 1
    for address in (ONE, TWO):
        gateway.ask("crm", "PUT", f"/v1/conversations/{group}/links/whatsapp/%2B{address[1:]}")
        said = writes(gateway, address, "link", at=AT + 5)
        assert (said.conversation_id, said.recipients) == (group, ())


@pytest.mark.parametrize("who", [ONE, TWO])
def test_the_stricter_wish_holds_for_both(gateway: Driver, pair: tuple[str, str], who: str) -> None:
    """Who wanted nothing more as one of the two gets nothing as both, until they say otherwise after that."""
    other = TWO if who == ONE else ONE
    gateway.writes("whatsapp", who, "STOP", "id.stop", at=AT + 50)
    gateway.writes("whatsapp", other, "START", "id.start", at=AT + 60)
    one = merge(gateway, *pair)
    assert one["opted_out"] == ["whatsapp"]
    gateway.writes("whatsapp", other, "START", "id.start2", at=now_ms() + 1_000)
    assert contact_of(gateway, f"whatsapp:{who}")["opted_out"] == []
    gateway.writes("whatsapp", who, "STOP", "id.stop2", at=now_ms() + 2_000)
    assert contact_of(gateway, f"whatsapp:{other}")["opted_out"] == ["whatsapp"]
    shown = gateway.ask("crm", "PUT", f"/v1/contacts/{pair[1]}/consents/whatsapp", {"state": "granted"})
    assert shown["opted_out"] == []
    unmerge(gateway, pair[0])
    assert contact_of(gateway, f"whatsapp:{who}")["consents"]["whatsapp"]["state"] in ("revoked", "granted")
    assert contact_of(gateway, f"whatsapp:{other}")["consents"]["whatsapp"]["state"] == "granted"


def test_who_is_blocked_is_blocked_at_every_address(gateway: Driver, pair: tuple[str, str]) -> None:
    """By a block of either; what they write from the other is not kept, and unblocking lets both write."""
    low, high = pair
    gateway.ask("crm", "PUT", f"/v1/contacts/{high}/block")
    assert merge(gateway, low, high)["blocked"]
    before = len(gateway.records())
    free = owned_by(gateway, low)
    said = {"type": "inbound", "address": free, "text": "hi", "provider_id": "id.blocked"}
    assert gateway.webhook("whatsapp", said).status_code == 200
    assert len(gateway.records()) == before
    assert gateway.refused("crm", "POST", "/v1/messages", text_to(f"whatsapp:{free}")) == ("blocked", "to")
    assert not gateway.ask("crm", "DELETE", f"/v1/contacts/{low}/block")["blocked"]
    gateway.send("crm", to=[f"whatsapp:{free}"])
    gateway.ask("crm", "PUT", f"/v1/contacts/{low}/block")
    unmerge(gateway, low)
    assert all(gateway.ask("crm", "GET", f"/v1/contacts/{each}")["blocked"] for each in pair)


def test_what_the_team_changes_is_of_both(gateway: Driver, pair: tuple[str, str]) -> None:
    """It stays so while they are one. Apart, the one that kept its id keeps it, and the other has what it had."""
    low, high = pair
    gateway.ask("crm", "PATCH", f"/v1/contacts/{high}", {"tags": ["b", "c"], "notes": "high", "display_name": "Bea"})
    one = merge(gateway, low, high)
    assert one["display_name"] == "Bea"
    changed = gateway.ask("crm", "PATCH", f"/v1/contacts/{high}", {"tags": ["c"], "version": one["version"]})
    assert (changed["tags"], changed["notes"], changed["display_name"]) == (["c"], "high", "Bea")
    assert gateway.ask("crm", "GET", "/v1/contacts?tag=b")["contacts"] == []
    assert gateway.ask("crm", "GET", "/v1/contacts?tag=c")["contacts"] == [changed]
    renamed = gateway.ask("crm", "PATCH", f"/v1/contacts/{low}", {"display_name": "Beatriz"})
    assert (renamed["display_name"], renamed["tags"]) == ("Beatriz", ["c"])
    assert gateway.ask("crm", "PATCH", f"/v1/contacts/{low}", {"display_name": "Beatriz"}) == renamed
    refused = gateway.refused("crm", "PATCH", f"/v1/contacts/{low}", {"notes": "late", "version": one["version"]}, 409)
    assert refused[0] == "contact_changed"
    unmerge(gateway, low)
    apart = gateway.ask("crm", "GET", f"/v1/contacts/{high}")
    assert (apart["tags"], apart["notes"], apart["display_name"]) == (["b", "c"], "high", "Bea")
    assert gateway.ask("crm", "GET", f"/v1/contacts/{low}")["display_name"] == "Beatriz"
    again = merge(gateway, low, high)
    assert again["tags"] == ["b", "c"]


def test_an_address_is_taken_from_either(gateway: Driver, pair: tuple[str, str]) -> None:
    """By the id that the API shows, whoever had it before the merge."""
    low, high = pair
    one = merge(gateway, low, high)
    path = f"/v1/users/{one['contact_id']}/identities/whatsapp"
    assert {each["address"] for each in gateway.ask("crm", "GET", path)["identities"]} == {ONE, TWO}
    left = gateway.ask("crm", "DELETE", f"{path}?address=%2B{owned_by(gateway, high)[1:]}")["identities"]
    assert {each["address"] for each in left} == {owned_by(gateway, low)}


def test_windows_follow(gateway: Driver, pair: tuple[str, str]) -> None:
    """Of a conversation with either the window is that of the address that a message would go to."""
    low, high = pair
    merge(gateway, low, high)
    newest = writes(gateway, owned_by(gateway, high), "2", at=now_ms())
    home = next(each.conversation_id for each in gateway.records() if each.sender == low)
    [window] = gateway.ask("crm", "GET", f"/v1/conversations/{home}/windows")["windows"]
    assert (window["recipient"], window["last_wrote_at"][:19]) == (high, rfc(newest))


def rfc(message: Message) -> str:
    assert message.origin
    return rfc3339(message.origin.at)[:19]


def test_whoever_is_none_cannot_be_merged(gateway: Driver, pair: tuple[str, str]) -> None:
    """Nobody with themselves, no stranger, nobody who logs in; and who was never merged cannot be apart."""
    gateway.people("alice")
    low, high = pair
    path = f"/v1/contacts/{low}/merge"
    for wrong in (low, "nobody", "alice", "crm"):
        assert gateway.refused("crm", "POST", path, {"contact_id": wrong}) == ("unknown_contact", "contact_id")
    assert gateway.refused("crm", "POST", path, {}) == ("invalid", "contact_id")
    assert gateway.refused("crm", "POST", "/v1/contacts/nobody/merge", {"contact_id": low}, 404)[0] == "unknown_contact"
    assert gateway.refused("crm", "POST", f"/v1/contacts/{low}/unmerge", {}, 409)[0] == "not_merged"
    merge(gateway, low, high)
    assert gateway.refused("crm", "POST", f"/v1/contacts/{low}/unmerge", {"contact_id": low})[1] == "contact_id"
    assert gateway.call("bot", "POST", path, {"contact_id": high}).status_code == 403


# Interleavings

PLACES = [("whatsapp", ONE), ("whatsapp", TWO), ("whatsapp", THREE), ("instagram", GRAM)]


class Story:
    """Merges, unmerges, messages in and out, in any order, beside a model of what must be so."""

    def __init__(self, gateway: Driver, random: Random) -> None:
        self.gateway, self.random = gateway, random
        self.at, self.number = AT, 0
        self.wrote: dict[tuple[str, str], int] = {}
        self.spoken: dict[tuple[str, str], str] = {}
        self.inbound: list[tuple[tuple[str, str], dict[str, Any], Message]] = []
        self.sent: list[dict[str, Any]] = []
        for place in PLACES:
            self.write(place)
        self.owners = {place: owner(gateway, place[1], place[0]) for place in PLACES}
        # Into whom each is merged, by the rules alone.
        self.into: dict[str, str] = {}
        self.merges: list[str] = []

    def root(self, user_id: str) -> str:
        while user_id in self.into:
            user_id = self.into[user_id]
        return user_id

    def family(self, user_id: str) -> set[str]:
        return {each for each in self.owners.values() if self.root(each) == self.root(user_id)}

    def write(self, place: tuple[str, str] | None = None) -> None:
        """It comes where that address was spoken to last, if the person is there; once."""
        place = place or self.random.choice(PLACES)
        self.at += 1
        self.number += 1
        more = {"at": self.at, "sender_name": place[1]}
        said = writes(self.gateway, place[1], str(self.number), place[0], **more)
        body = {"type": "inbound", "address": place[1], "text": "hi", "provider_id": f"id.{place[1]}.{self.number}", **more}
        self.wrote[place] = self.at
        self.inbound.append((place, body, said))
        if hasattr(self, "owners"):
            members = self.gateway.parts.store.memberships([said.conversation_id])[said.conversation_id]
            assert said.sender in self.family(self.owners[place]) and members.has(said.sender)
            talk = self.spoken.get(place, "")
            there = self.gateway.parts.store.memberships([talk]) if talk else {}
            if talk and any(there[talk].has(each) for each in self.family(self.owners[place])):
                assert said.conversation_id == talk
            assert said.recipients == ()

    def repeat_inbound(self) -> None:
        """What a provider brings again is the same message, in the same conversation, whoever is one by now."""
        place, body, said = self.random.choice(self.inbound)
        assert self.gateway.webhook(place[0], body).status_code == 200
        self.gateway.process()
        same = {each.conversation_id for each in self.gateway.records() if each.message_id == said.message_id}
        assert same == {said.conversation_id}

    def send(self) -> None:
        """It goes where the person wrote from last, once."""
        self.number += 1
        place = self.random.choice(PLACES)
        to = self.random.choice([f"{place[0]}:{place[1]}", self.owners[place]])
        body = {
            "to": [to],
            "message_id": f"00000000-0000-4000-8000-{self.number:012}",
            "payload": {"type": "text", "text": "x"},
        }
        self.gateway.ask("crm", "POST", "/v1/messages", body, 202)
        said = self.gateway.records()[-1]
        assert said.message_id == body["message_id"]
        theirs = [each for each in PLACES if self.owners[each] in self.family(self.owners[place])]
        newest = max(theirs, key=self.wrote.__getitem__)
        [recipient] = said.recipients
        assert ((recipient.channel, recipient.address), recipient.user_id) == (newest, self.owners[newest])
        self.gateway.process()
        if self.random.random() < 0.7:
            self.gateway.deliver(said, f"out.{self.number}", self.number)
            self.spoken[newest] = said.conversation_id
        self.sent.append(body)

    def repeat_send(self) -> None:
        """A sender who says a message again has said it once."""
        if self.sent:
            before = len(self.gateway.records())
            self.gateway.ask("crm", "POST", "/v1/messages", self.random.choice(self.sent), 202)
            assert len(self.gateway.records()) == before

    def merge(self) -> None:
        one, other = self.random.sample(list(self.owners.values()), 2)
        merge(self.gateway, one, other)
        low, high = sorted((self.root(one), self.root(other)))
        if low != high:
            self.into[high] = low
            self.merges.append(high)

    def unmerge(self) -> None:
        if self.into:
            leaving = self.random.choice(list(self.into))
            unmerge(self.gateway, self.root(leaving), contact_id=leaving)
            del self.into[leaving]

    def check(self) -> None:
        """No address has another owner, and lists show each person once, with all their addresses."""
        assert {place: owner(self.gateway, place[1], place[0]) for place in PLACES} == self.owners
        listed = self.gateway.ask("crm", "GET", "/v1/contacts")["contacts"]
        shown = {each["contact_id"]: addresses(each) for each in listed}
        roots = {self.root(each) for each in self.owners.values()}
        wanted = {root: {place[1] for place in PLACES if self.root(self.owners[place]) == root} for root in roots}
        assert (shown, len(listed)) == (wanted, len(roots))
        said = [each for each in self.gateway.records() if each.origin]
        assert len({(each.conversation_id, each.message_id) for each in said}) == len(self.inbound)

    def steps(self) -> Iterator[None]:
        moves = [self.write, self.send, self.merge, self.unmerge, self.repeat_inbound, self.repeat_send]
        while True:
            self.random.choice(moves)()
            yield


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_merged_when_nothing_is_lost_or_doubled(gateway: Driver, seed: int) -> None:
    """Of any order of merges, unmerges, messages and repeats: each lands once, where it must, and nobody's address moves."""
    story = Story(gateway, Random(seed))
    for _, _step in zip(range(25), story.steps(), strict=False):
        story.check()
