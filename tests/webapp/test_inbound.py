"""What people write on their channels: it comes where it belongs, and nobody gets what was meant for another."""

from collections.abc import Callable
from typing import Any

import pytest

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Facts
from chat4all.model.failures import Unknown
from chat4all.model.ids import contact_conversation_id, contact_id, inbox_id, provider_message_id
from chat4all.model.messages import (
    Message,
)
from chat4all.model.records import RECORD_MOST, ProviderReceipt
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage")}
CARLA, DORA = "+5511999990000", "+5511999990001"
ACCOUNT = "whatsapp-account"


def sent(driver: Driver, who: str, address: str, provider_id: str, at: int, channel: str = "whatsapp") -> Message:
    """Somebody writes to an address, and the provider takes it."""
    told = driver.send("crm", f"from {who}", sender=who, to=[f"{channel}:{address}"])
    driver.process()
    message = next(each for each in driver.records() if each.message_id == told["message_id"])
    driver.deliver(message, provider_id, at)
    return message


def test_a_stranger_becomes_a_contact_of_the_inbox(gateway: Driver) -> None:
    """Nobody wrote to them: the conversation is the contact's with the channel's inbox, and the record says who spoke."""
    record = gateway.writes("whatsapp", CARLA, "hello?", "p1", sender_name="Carla")
    contact = contact_id("whatsapp", CARLA)
    assert record.conversation_id == contact_conversation_id("whatsapp", ACCOUNT, CARLA)
    assert record.message_id == provider_message_id("whatsapp", ACCOUNT, "p1")
    assert (record.sender, record.payload.as_text(), record.recipients) == (contact, "hello?", ())
    membership = gateway.parts.store.memberships([record.conversation_id])[record.conversation_id]
    assert membership.now() == [inbox_id("whatsapp"), contact]
    assert gateway.parts.store.users([contact])[contact].display_name == "Carla"
    assert gateway.parts.store.identities([contact])[contact][0].last_wrote_at == 1_700_000_000_000


def test_the_inbox_answers_in_the_same_conversation(gateway: Driver) -> None:
    """A service client speaks for the inbox, to the address or in the conversation."""
    record = gateway.writes("whatsapp", CARLA, "hello?", "p1")
    told = gateway.send("crm", sender=inbox_id("whatsapp"), to=[f"whatsapp:{CARLA}"])
    assert told["conversation_id"] == record.conversation_id
    assert gateway.records()[-1].recipients[0].address == CARLA


def test_an_answer_goes_to_whoever_wrote_last(gateway: Driver) -> None:
    """Two write to one contact; what she writes is for the one whose message came last."""
    to_alice = sent(gateway, "alice", CARLA, "w1", 10).conversation_id
    to_bob = sent(gateway, "bob", CARLA, "w2", 20).conversation_id
    assert to_alice != to_bob
    assert gateway.writes("whatsapp", CARLA, "to bob", "p1").conversation_id == to_bob
    sent(gateway, "alice", CARLA, "w3", 30)
    assert gateway.writes("whatsapp", CARLA, "to alice", "p2").conversation_id == to_alice


def test_a_reply_to_an_older_message_goes_to_its_conversation(gateway: Driver) -> None:
    """What she replies to counts more than who wrote last, and more than a link."""
    older = sent(gateway, "alice", CARLA, "w1", 10)
    sent(gateway, "bob", CARLA, "w2", 20)
    assert gateway.writes("whatsapp", CARLA, "to alice", "p1", reply_to="w1").conversation_id == older.conversation_id
    group = gateway.group("crm", "eve", f"whatsapp:{CARLA}")
    gateway.ask("crm", "PUT", f"/v1/conversations/{group}/links/whatsapp/{CARLA}")
    assert gateway.writes("whatsapp", CARLA, "to alice", "p2", reply_to="w1").conversation_id == older.conversation_id
    assert gateway.writes("whatsapp", CARLA, "to eve", "p3").conversation_id == group


def test_nobody_replies_to_what_went_to_another_address(gateway: Driver) -> None:
    """A provider id of somebody else's message, known or guessed, opens no conversation."""
    foreign = sent(gateway, "alice", CARLA, "w1", 10)
    record = gateway.writes("whatsapp", DORA, "let me in", "p1", reply_to="w1")
    assert record.conversation_id == contact_conversation_id("whatsapp", ACCOUNT, DORA) != foreign.conversation_id
    assert gateway.writes("instagram", CARLA, "me too", "p2", reply_to="w1").conversation_id != foreign.conversation_id


def test_an_address_that_changes_its_owner_takes_no_conversation_along(gateway: Driver) -> None:
    """Reply, link, last message and inbox: all of the old owner's, none of it for the new one."""
    old = sent(gateway, "alice", CARLA, "w1", 10).conversation_id
    gateway.ask("crm", "PUT", f"/v1/conversations/{old}/links/whatsapp/{CARLA}")
    inbox = gateway.send("crm", sender=gateway.parts.people.inbox("whatsapp"), to=[f"whatsapp:{CARLA}"])
    gateway.ask("crm", "PUT", "/v1/users/eve/identities/whatsapp", {"address": CARLA})
    record = gateway.writes("whatsapp", CARLA, "who was that?", "p1", reply_to="w1")
    assert record.sender == "eve"
    assert record.conversation_id not in (old, inbox["conversation_id"])
    membership = gateway.parts.store.memberships([record.conversation_id])[record.conversation_id]
    assert membership.now() == [inbox_id("whatsapp"), "eve"]
    assert gateway.writes("whatsapp", CARLA, "again", "p2").conversation_id == record.conversation_id


def test_an_address_that_is_free_again_is_a_new_contact(gateway: Driver) -> None:
    """Taken from a contact and released later, it may be anybody's: the old contact's conversations stay closed to them."""
    old = sent(gateway, "alice", CARLA, "w1", 10)
    home = gateway.writes("instagram", CARLA, "hi", "p0").conversation_id
    later = now_ms() + 120_000
    gateway.parts.people.clock = lambda: later
    for channel in ("whatsapp", "instagram"):
        path = f"/v1/users/eve/identities/{channel}"
        gateway.ask("crm", "PUT", path, {"address": CARLA})
        gateway.ask("crm", "DELETE", f"{path}?address={CARLA.replace('+', '%2B')}")
    record = gateway.writes("whatsapp", CARLA, "who?", "p1", reply_to="w1")
    assert record.sender == contact_id("whatsapp", CARLA, 1) != old.recipients[0].user_id
    assert record.conversation_id != old.conversation_id
    assert gateway.writes("instagram", CARLA, "who?", "p1").conversation_id != home
    again = gateway.send("crm", sender="alice", to=[f"whatsapp:{CARLA}"])["conversation_id"]
    assert again not in (old.conversation_id, record.conversation_id)


def test_a_link_needs_an_owner_who_is_a_member(gateway: Driver) -> None:
    """A link does not pull an outsider's words into a conversation, nor does one made by anybody but its owner or a manager."""
    gateway.writes("whatsapp", CARLA, "hi", "p1")
    group = gateway.group("alice", "bob")
    path = f"/v1/conversations/{group}/links/whatsapp/{CARLA}"
    assert gateway.refused("alice", "PUT", path, expect=403)[0] == "scope_needed"
    assert gateway.refused("crm", "PUT", path) == ("not_a_member", "address")
    assert gateway.refused("eve", "PUT", path, expect=404)[0] == "unknown_conversation"
    assert gateway.refused("crm", "PUT", path.replace(CARLA, "12")) == ("bad_address", "address")
    gateway.ask("crm", "POST", f"/v1/conversations/{group}/members", {"members": [f"whatsapp:{CARLA}"]})
    gateway.ask("crm", "PUT", path)
    assert gateway.writes("whatsapp", CARLA, "linked", "p2").conversation_id == group
    gateway.ask("alice", "DELETE", f"/v1/conversations/{group}/members/{contact_id('whatsapp', CARLA)}", expect=204)
    assert gateway.writes("whatsapp", CARLA, "removed", "p3").conversation_id != group


def test_the_verified_owner_links_and_unlinks(gateway: Driver) -> None:
    """A person decides where what they write on a channel comes in."""
    gateway.ask("crm", "PUT", "/v1/users/alice/identities/whatsapp", {"address": CARLA})
    group = gateway.group("alice", "bob")
    path = f"/v1/conversations/{group}/links/whatsapp/{CARLA}"
    assert gateway.ask("alice", "PUT", path) == {"conversation_id": group, "channel": "whatsapp", "address": CARLA}
    record = gateway.writes("whatsapp", CARLA, "from my phone", "p1")
    assert (record.conversation_id, record.sender) == (group, "alice")
    gateway.ask("alice", "DELETE", path)
    assert gateway.refused("alice", "DELETE", path, expect=404)[0] == "unknown_link"
    assert gateway.writes("whatsapp", CARLA, "unlinked", "p2").conversation_id != group


def test_contacts_on_two_channels_talk_to_each_other(gateway: Driver) -> None:
    """What one writes goes out to the other on their channel, with the name in front; persons read it here."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"instagram:{DORA}")
    for channel, address in (("whatsapp", CARLA), ("instagram", DORA)):
        gateway.ask("crm", "PUT", f"/v1/conversations/{group}/links/{channel}/{address}")
    record = gateway.writes("whatsapp", CARLA, "hi Dora", "p1", sender_name="Carla")
    assert [(each.channel, each.address) for each in record.recipients] == [("instagram", DORA)]
    assert record.sender_name == "Carla"
    record = gateway.writes("instagram", DORA, "hi Carla", "p1")
    assert [(each.channel, each.address) for each in record.recipients] == [("whatsapp", CARLA)]
    assert record.sender_name == "Contact"


def test_a_providers_repetition_goes_where_the_first_went(gateway: Driver) -> None:
    """The same message again, after somebody else wrote to her, is the same message in the same conversation."""
    first = sent(gateway, "alice", CARLA, "w1", 10).conversation_id
    told = gateway.writes("whatsapp", CARLA, "yes", "p1")
    sent(gateway, "bob", CARLA, "w2", 20)
    again = gateway.writes("whatsapp", CARLA, "yes", "p1")
    assert (again.conversation_id, again.message_id, again.digest) == (first, told.message_id, told.digest)


def test_a_repetition_is_not_given_to_a_new_owner(gateway: Driver) -> None:
    """The address changed hands between a message and its repetition: what was stored for the old owner stays there."""
    gateway.writes("whatsapp", CARLA, "mine", "p1")
    gateway.process()
    gateway.ask("crm", "PUT", "/v1/users/eve/identities/whatsapp", {"address": CARLA})
    known = len(gateway.records())
    part = {"type": "inbound", "address": CARLA, "text": "mine", "provider_id": "p1"}
    assert gateway.webhook("whatsapp", part).status_code == 200
    assert len(gateway.records()) == known


def test_a_second_address_belongs_to_the_same_contact(gateway: Driver) -> None:
    """Where the provider gives two, either finds the person, and only one of them is written to."""
    gateway.writes("whatsapp", CARLA, "hi", "p1", also_known_as="US.1")
    contact = contact_id("whatsapp", CARLA)
    owned = gateway.parts.store.identities([contact])[contact]
    assert {(each.address, each.verified) for each in owned} == {(CARLA, True), ("US.1", False)}
    record = gateway.writes("whatsapp", "US.1", "hi again", "p2")
    assert (record.sender, record.conversation_id) == (contact, gateway.records()[0].conversation_id)
    record = gateway.writes("whatsapp", DORA, "new number", "p3", also_known_as="US.1")
    assert record.sender == contact


def test_a_webhook_of_many_parts_is_durable_as_a_whole(gateway: Driver) -> None:
    """Messages and receipts of one webhook; parts that make no sense or are for another account harm nobody."""
    parts: list[dict[str, Any]] = [
        {"type": "inbound", "address": CARLA, "text": "one", "provider_id": "p1"},
        {"type": "inbound", "address": CARLA, "text": "foreign", "provider_id": "p9", "account": "other"},
        {"type": "receipt", "provider_id": "w1", "kind": "delivered"},
        {"type": "inbound", "address": DORA, "text": "two", "provider_id": "p2"},
        {"type": "inbound", "address": CARLA, "text": "three", "provider_id": "p3"},
    ]
    assert gateway.webhook("whatsapp", *parts).status_code == 200
    records = gateway.records()
    assert {each.payload.as_text() for each in records} == {"one", "two", "three"}
    assert [each.payload.as_text() for each in records if each.sender == contact_id("whatsapp", CARLA)] == ["one", "three"]
    assert gateway.statuses() == [ProviderReceipt("whatsapp", ACCOUNT, "w1", "delivered", 1_700_000_000_000)]


def test_a_provider_hears_200_only_when_all_is_durable(gateway: Driver) -> None:
    """Else it is told to bring it again, and that time it goes the same way."""
    part = {"type": "inbound", "address": CARLA, "text": "one", "provider_id": "p1"}
    gateway.log_faults.fail("append", Unknown("log_timeout"))
    answer = gateway.webhook("whatsapp", part)
    gateway.log_faults.mend()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert gateway.records() == []
    assert gateway.webhook("whatsapp", part).status_code == 200
    assert len(gateway.records()) == 1


def test_a_forged_webhook_does_nothing(gateway: Driver) -> None:
    """Without the provider's signature over the raw body nothing is read."""
    part = {"type": "inbound", "address": CARLA, "text": "forged", "provider_id": "p1"}
    assert gateway.webhook("whatsapp", part, signature="wrong").status_code == 403
    assert gateway.webhook("pigeon", part).status_code == 404
    assert gateway.records() == []
    assert gateway.parts.store.owners([("whatsapp", CARLA)]) == {}


def test_a_signed_webhook_that_makes_no_sense_is_taken(gateway: Driver) -> None:
    """A provider that is refused brings it for days: it is logged and answered."""
    answer = gateway.client.post("/channels/whatsapp/webhook", data=b"{", headers={"X-Signature": "not a secret"})
    assert answer.status_code == 200


def test_the_providers_check_of_the_address_is_answered(gateway: Driver) -> None:
    """With the right token the challenge comes back as plain text, else 403."""
    answer = gateway.client.get("/channels/whatsapp/webhook?token=not a secret&challenge=1158201444")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"1158201444", "text/plain")
    assert gateway.client.get("/channels/whatsapp/webhook?token=x&challenge=1").status_code == 403


def test_a_quick_reply_goes_to_what_is_still_under_way(gateway: Driver) -> None:
    """The answer to the send was lost and no receipt came yet: the reply belongs to that message, not to the inbox."""
    told = gateway.send("crm", "coming?", sender="alice", to=[f"whatsapp:{CARLA}"])
    gateway.process()
    [row] = gateway.rows(gateway.records()[0])
    gateway.parts.store.record({row.key: Facts(attempts=1, attempted_at=10)})
    assert gateway.writes("whatsapp", CARLA, "yes", "p1").conversation_id == told["conversation_id"]


def test_what_never_left_takes_no_answer(gateway: Driver) -> None:
    """Refused for certain, or not tried yet: the person cannot mean it."""
    for facts in (Facts(), Facts(attempts=1, attempted_at=10, refusals=1)):
        told = gateway.send("crm", "coming?", sender="alice", to=[f"whatsapp:{CARLA}"])
        gateway.process()
        [row] = gateway.rows(gateway.records()[0])
        gateway.parts.store.record({row.key: facts})
        assert gateway.writes("whatsapp", CARLA, "hello", f"p{facts.attempts}").conversation_id != told["conversation_id"]


def test_a_contact_is_called_what_they_call_themselves_now(gateway: Driver) -> None:
    """Written to first they have no name; a changed profile name is taken; one that somebody gave stays."""
    contact = contact_id("whatsapp", CARLA)

    def name(user_id: str = contact) -> str:
        return gateway.parts.store.users([user_id])[user_id].display_name

    gateway.send("crm", sender="alice", to=[f"whatsapp:{CARLA}"])
    assert name() == ""
    for number, called in enumerate(("Carla", "Carla S.", "", "Evil\nhttps://x.example")):
        gateway.writes("whatsapp", CARLA, "hi", f"p{number}", sender_name=called)
    assert name() == "Evil x.example"
    gateway.ask("crm", "POST", "/v1/users", {"user_id": "dora", "display_name": "Dora (VIP)"}, 201)
    gateway.ask("crm", "PUT", "/v1/users/dora/identities/whatsapp", {"address": DORA})
    gateway.writes("whatsapp", DORA, "hi", "d1", sender_name="dd")
    assert name("dora") == "Dora (VIP)"


def test_a_message_that_no_record_can_hold_is_kept_aside(start: Callable[..., Driver]) -> None:
    """The provider hears 200, the other parts arrive, and the whole webhook is in a dead letter."""
    gateway = start(body_limit=2 * RECORD_MOST)
    texts = ("one", "x" * RECORD_MOST, "two")
    parts = [{"type": "inbound", "address": CARLA, "text": text, "provider_id": text[:2]} for text in texts]
    assert gateway.webhook("whatsapp", *parts).status_code == 200
    assert {each.payload.as_text() for each in gateway.records()} == {"one", "two"}


@pytest.mark.parametrize("names", [{"speaker": "Evil\nhttps://x.example"}, {"sender_name": "Evil\nhttps://x.example"}])
def test_no_name_that_a_provider_brings_makes_lines_or_links_of_its_own(gateway: Driver, names: dict[str, str]) -> None:
    """It stands in front of words that go to others on their channels."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"instagram:{DORA}")
    gateway.ask("crm", "PUT", f"/v1/conversations/{group}/links/whatsapp/{CARLA}")
    assert gateway.writes("whatsapp", CARLA, "hi", "p1", **names).sender_name == "Evil x.example"
