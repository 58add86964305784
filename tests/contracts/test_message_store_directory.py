"""The directory of every message store: users, addresses, conversations, links."""

import msgspec
import pytest

from chat4all.model.conversations import (
    ENDED_MOST,
    Conversation,
    ConversationType,
    Identity,
    Member,
    User,
    UserKind,
    Verification,
)
from chat4all.ports import Arrived, MessageStore
from chat4all.ports.listing import EVERYBODY, SLOT_MS
from chat4all.services.contacts.merging import merge
from chat4all.services.inbound.address_changes import follow, successor
from tests.contracts.stores import claim, fresh, group, message, person


def test_users_come_back_as_they_were_registered(store: MessageStore) -> None:
    """Every field of a user survives."""
    client = User(fresh("u"), UserKind.CLIENT, 5, "Shop", "argon2-hash", ("send", "manage"))
    assert store.add_users([client]) == [client]
    assert store.users([client.user_id]) == {client.user_id: client}


def test_a_user_id_belongs_to_who_came_first(store: MessageStore) -> None:
    """A second registration changes nothing and is answered with the first, within one call and across calls."""
    first, second, third = (User(fresh_id, UserKind.PERSON, at) for at, fresh_id in enumerate([fresh("u")] * 3))
    assert store.add_users([first, second]) == [first, first]
    assert store.add_users([third]) == [first]
    assert store.users([first.user_id]) == {first.user_id: first}


def test_unknown_users_are_absent(store: MessageStore) -> None:
    """Asking for nobody, or for somebody unknown, is no error."""
    assert store.users([fresh("u"), ""]) == {}
    assert store.users([""]) == {}
    assert store.users([]) == {}
    assert store.add_users([]) == []


def test_an_address_belongs_to_who_claimed_it_first(store: MessageStore) -> None:
    """Nothing replaces another user's claim, not even a verified one an unverified."""
    channel = fresh("ch")
    mine, theirs = claim(channel, "1", "anna", 1, verified=False), claim(channel, "1", "bob", 2)
    assert store.claim_addresses([mine]) == [mine]
    assert store.claim_addresses([theirs]) == [mine]
    assert store.owners([(channel, "1"), (channel, "2")]) == {(channel, "1"): mine}


def test_a_verified_claim_replaces_the_users_own_unverified_one(store: MessageStore) -> None:
    """Verification makes a claim good; an unverified claim never takes that back."""
    channel = fresh("ch")
    verified = claim(channel, "1", "anna", 2)
    store.claim_addresses([claim(channel, "1", "anna", 1, verified=False)])
    assert store.claim_addresses([verified]) == [verified]
    assert store.claim_addresses([claim(channel, "1", "anna", 3, verified=False)]) == [verified]


def test_claims_are_answered_in_the_order_given(store: MessageStore) -> None:
    """Each answer stands where its claim stood, repeated addresses included."""
    channel = fresh("ch")
    one, two, late = claim(channel, "1", "anna"), claim(channel, "2", "bob"), claim(channel, "1", "carl")
    assert store.claim_addresses([two, one, late]) == [two, one, one]


def test_a_released_address_can_be_claimed_anew(store: MessageStore) -> None:
    """Only the owner's release counts, and it makes the address free."""
    channel = fresh("ch")
    store.claim_addresses([claim(channel, "1", "anna")])
    assert not store.release_address(channel, "1", "bob")
    assert store.release_address(channel, "1", "anna")
    assert not store.release_address(channel, "1", "anna")
    assert store.owners([(channel, "1")]) == {}
    assert store.claim_addresses([claim(channel, "1", "bob")])[0].user_id == "bob"


def test_identities_are_listed_by_channel_oldest_first(store: MessageStore) -> None:
    """A user's addresses have a stable order; users without any have an empty list."""
    anna, bob, tag = fresh("u"), fresh("u"), fresh()
    claims = [claim(f"b{tag}", "1", anna, 5), claim(f"a{tag}", "9", anna, 7), claim(f"a{tag}", "1", anna, 8)]
    store.claim_addresses(claims)
    assert store.identities([anna, bob]) == {anna: [claims[1], claims[2], claims[0]], bob: []}


def test_last_wrote_at_only_grows(store: MessageStore) -> None:
    """A late note of an earlier writing changes nothing; free addresses are passed over."""
    channel = fresh("ch")
    store.claim_addresses([claim(channel, "1", "anna")])
    for at in (5, 3):
        store.note_wrote({(channel, "1"): at, (channel, "free"): at})
    assert store.owners([(channel, "1"), (channel, "free")]) == {
        (channel, "1"): Identity(channel, "1", "anna", 1, last_wrote_at=5)
    }


def test_each_account_knows_when_an_address_last_wrote_to_it(store: MessageStore) -> None:
    """By account; a late note of an earlier writing changes nothing, and free addresses are kept too."""
    channel = fresh("ch")
    for at in (5, 3):
        store.note_wrote({}, {(channel, "1", "a"): at, (channel, "1", "b"): at + 4, (channel, "2", "a"): 1})
    assert store.last_wrote([(channel, "1"), (channel, "2"), (channel, "free")]) == {
        (channel, "1"): {"a": 5, "b": 9},
        (channel, "2"): {"a": 1},
        (channel, "free"): {},
    }


def test_verifying_keeps_when_the_address_last_wrote(store: MessageStore) -> None:
    """The 24-hour window is known from the address, whatever becomes of the claim."""
    channel = fresh("ch")
    store.claim_addresses([claim(channel, "1", "anna", 1, verified=False)])
    store.note_wrote({(channel, "1"): 9})
    assert store.claim_addresses([claim(channel, "1", "anna", 2)])[0].last_wrote_at == 9


def test_a_newer_code_replaces_an_older_one(store: MessageStore) -> None:
    """One code waits per user and address, also when it has expired."""
    user = fresh("u")
    old, new = Verification(user, "w", "1", "h1", 10, 5), Verification(user, "w", "1", "h2", 20, 3)
    assert store.verification(user, "w", "1") is None
    store.put_verification(old)
    store.put_verification(new)
    assert store.verification(user, "w", "1") == new
    assert store.verification(user, "w", "2") is None


def test_a_conversation_is_founded_once(store: MessageStore) -> None:
    """The first founding is kept whole, each member once, and later ones are answered with it."""
    first, second = group(fresh("c")), fresh("c")
    anna, bob, carl = fresh("u"), fresh("u"), fresh("u")
    [kept] = store.add_conversations([(first, [anna, bob, anna])])
    assert (kept.version, kept.conversation, kept.now()) == (1, first, [anna, bob])
    other = Conversation(first.conversation_id, ConversationType.PRIVATE, carl, 9, open_history=True)
    again, new = store.add_conversations([(other, [carl]), (group(second), [carl])])
    assert again == kept
    assert new.now() == [carl]
    assert store.conversations_of(carl) == [second]
    assert store.memberships([first.conversation_id, fresh("c")]) == {first.conversation_id: kept}


def test_members_change_only_from_the_version_that_was_seen(store: MessageStore) -> None:
    """A change made against an older version is refused; who joins again gets a second stay."""
    conversation, (anna, bob, carl) = group(fresh("c")), (fresh("u") for _ in range(3))
    store.add_conversations([(conversation, [anna, bob])])
    key = conversation.conversation_id
    second = store.change_members(key, 1, [carl], [bob])
    assert second is not None
    assert (second.version, second.now()) == (2, [anna, carl])
    assert store.change_members(key, 1, [bob], []) is None
    third = store.change_members(key, 2, [bob], [])
    assert third is not None
    assert third.members == (Member(anna, 1), Member(bob, 1, 2), Member(carl, 2), Member(bob, 3))
    assert store.memberships([key]) == {key: third}


def test_members_of_an_unknown_conversation_cannot_change(store: MessageStore) -> None:
    """There is no version that could match."""
    assert store.change_members(fresh("c"), 1, ["anna"], []) is None


def test_a_user_keeps_the_conversations_they_left(store: MessageStore) -> None:
    """Every conversation that a user ever was in is theirs to ask for."""
    keys, anna = [fresh("c"), fresh("c")], fresh("u")
    store.add_conversations([(group(key), [anna, "bob"]) for key in keys])
    store.change_members(keys[0], 1, [], [anna])
    assert sorted(store.conversations_of(anna)) == sorted(keys)
    assert store.conversations_of(fresh("u")) == []


def test_a_link_can_be_moved_and_taken_away(store: MessageStore) -> None:
    """The newest link counts; an address without one is absent."""
    channel = fresh("ch")
    for conversation in ("c1", "c2"):
        store.put_link(channel, "1", conversation)
    assert store.links([(channel, "1"), (channel, "2")]) == {(channel, "1"): "c2"}
    store.put_link(channel, "1", None)
    assert store.links([(channel, "1")]) == {}


def test_a_providers_repeat_goes_where_the_first_went(store: MessageStore) -> None:
    """First writer wins for inbound messages, within one call and across calls, answers in order."""
    channel = fresh("ch")
    one, two, three, old = Arrived("c1", "m1", "anna"), Arrived("c2", "m2", "bob"), Arrived("c3", "m3", "carl"), Arrived("c4")
    assert store.register_inbound([(channel, "a", "1", one), (channel, "a", "1", two)]) == [one, one]
    assert store.register_inbound([(channel, "b", "1", three), (channel, "a", "1", three)]) == [three, one]
    assert store.register_inbound([(channel, "c", "1", old)]) == store.register_inbound([(channel, "c", "1", one)]) == [old]


@pytest.mark.parametrize("times", [(5, 9), (9, 5)])
def test_the_last_conversation_is_the_latest_not_the_last_written(store: MessageStore, times: tuple[int, int]) -> None:
    """Workers may report late: the time of the sending decides."""
    address = (fresh("ch"), "1")
    for at in times:
        store.record({}, spoken={address: (f"c{at}", at)})
    assert store.last_conversations([address, (fresh("ch"), "1")]) == {address: "c9"}


def test_names_and_words_of_any_script_come_back_as_they_were(store: MessageStore) -> None:
    """Text is Unicode, also beyond the first plane, quotes and NUL included."""
    odd = "ação 日本 \U0001f375 '\"; --\x00 end"
    user = User(fresh("u"), UserKind.PERSON, 1, display_name=odd)
    store.add_users([user, person(fresh("u"))])
    channel = fresh("ch")
    store.claim_addresses([claim(channel, odd, user.user_id)])
    store.record({}, spoken={(channel, odd): (odd, 1)})
    assert store.users([user.user_id])[user.user_id].display_name == odd
    assert store.owners([(channel, odd)])[channel, odd].address == odd
    assert store.last_conversations([(channel, odd)]) == {(channel, odd): odd}


def test_an_address_is_followed_to_its_next(store: MessageStore) -> None:
    """One step at a time, the newest that was said, and nothing for addresses that went nowhere."""
    old, new, later = fresh("+1"), fresh("+2"), fresh("+3")
    store.forward("whatsapp", old, new)
    store.forward("whatsapp", new, later)
    wanted = [("whatsapp", old), ("whatsapp", new), ("whatsapp", later), ("telegram", old)]
    assert store.forwards(wanted) == {("whatsapp", old): new, ("whatsapp", new): later}
    store.forward("whatsapp", old, later)
    assert store.forwards([("whatsapp", old)]) == {("whatsapp", old): later}
    assert store.forwards([]) == {}


def test_a_person_who_moves_keeps_conversation_and_link(store: MessageStore) -> None:
    """Owner, last conversation and link of the new address are the old one's; the old one is free. Twice is once."""
    owner, talk, old, new = fresh("u"), fresh("c"), fresh("+1"), fresh("+2")
    store.add_users([User(owner, UserKind.CONTACT, 1)])
    store.add_conversations([(Conversation(talk, ConversationType.PRIVATE, owner, 1), [owner, fresh("u")])])
    store.claim_addresses([Identity("whatsapp", old, owner, 1, last_wrote_at=7)])
    store.note_wrote({("whatsapp", old): 7})
    store.record({}, spoken={("whatsapp", old): (talk, 5)})
    store.put_link("whatsapp", old, talk)
    assert follow(store, "whatsapp", "1", old, new)
    assert not follow(store, "whatsapp", "1", old, new)
    places = [("whatsapp", old), ("whatsapp", new)]
    owners = store.owners(places)
    assert {place: (each.user_id, each.last_wrote_at) for place, each in owners.items()} == {("whatsapp", new): (owner, 7)}
    assert store.last_conversations(places)["whatsapp", new] == talk
    assert store.links(places)["whatsapp", new] == talk
    assert successor(store, "whatsapp", old, owner) == new
    assert successor(store, "whatsapp", old, fresh("u")) == ""


@pytest.mark.parametrize("turned", [False, True])
def test_a_person_of_two_contacts_moves_to_an_address_of_the_other(store: MessageStore, turned: bool) -> None:
    """Merged, each finds the other's address in place of the old one, and the other keeps it; a stranger finds none."""
    one, other = sorted((fresh("contact"), fresh("contact")), reverse=turned)
    old, new, later = fresh("+55"), fresh("+55"), fresh("+55")
    store.add_users([User(each, UserKind.CONTACT, 1) for each in (one, other)])
    store.claim_addresses([Identity("whatsapp", old, one, 1), Identity("whatsapp", new, other, 1)])
    merge(store, one, other, "crm", 2)
    assert follow(store, "whatsapp", "1", old, new)
    assert {place: each.user_id for place, each in store.owners([("whatsapp", old), ("whatsapp", new)]).items()} == {
        ("whatsapp", new): other
    }
    assert [successor(store, "whatsapp", old, each) for each in (one, other, fresh("u"))] == [new, new, ""]
    assert follow(store, "whatsapp", "1", new, later)
    assert [successor(store, "whatsapp", old, each) for each in (one, other)] == [later, later]


def test_conversations_come_in_pages(store: MessageStore) -> None:
    """Of a user by id; of everybody in an order that stays, each once."""
    anna, names = fresh("anna"), sorted(fresh("c") for _ in range(7))
    store.add_conversations([(group(name), [anna, "bob"]) for name in names])
    for reader in (anna, EVERYBODY):
        found: list[str] = []
        while page := store.conversation_page(reader, found[-1] if found else "", 3):
            found += page
        assert len(set(found)) == len(found)
        assert set(names) <= set(found)
        assert reader != anna or found == names


def test_conversations_by_activity(store: MessageStore) -> None:
    """Whole slots, newest first, as many as are asked for; a conversation stands in its newest slot only; joining counts."""
    anna, base = fresh("anna"), 4_000_000_000_000 // SLOT_MS
    names = [fresh("c") for _ in range(5)]
    store.add_conversations([(group(name, created_at=1), [anna]) for name in names])
    assert store.active(anna, 2**60, 50) == [(0, name) for name in sorted(names)]
    for place, slot in ((0, 1), (1, 2), (2, 2), (0, 3), (1, 1)):
        said = msgspec.structs.replace(message(names[place], 10 * slot + place), accepted_at=(base + slot) * SLOT_MS)
        store.put_messages([said])
    top = [(base + 3, names[0]), *sorted([(base + 2, names[1]), (base + 2, names[2])])]
    assert store.active(anna, 2**60, 1) == top[:1]
    assert store.active(anna, 2**60, 2) == top
    assert store.active(anna, base + 2, 1) == top[1:]
    assert store.active(anna, base + 1, 1) == [(0, name) for name in sorted(names[3:])]
    assert [row for row in store.active(EVERYBODY, base + 2, 500) if row[1] in names][:2] == top[1:]
    store.change_members(names[3], 1, ["late" + anna], [])
    [(slot, name)] = store.active("late" + anna, 2**60, 5)
    assert (slot > 0, name) == (True, names[3])


def test_a_group_of_many_comings_and_goings_is_read_small(store: MessageStore) -> None:
    """Stays that are over are folded away, and everybody may still read exactly what they could: as if nothing was folded."""
    name, users = fresh("c"), [fresh(f"u{number}") for number in range(60)]
    store.add_conversations([(group(name), ["anna", users[0]])])
    whole = store.memberships([name])[name]
    for number in range(300):
        user = users[number * 7 % 60]
        joined, left = ([], [user]) if whole.has(user) else ([user], [])
        whole = whole.changed(joined, left)
        assert store.change_members(name, whole.version - 1, joined, left)
    kept = store.memberships([name])[name]
    assert (kept.now(), kept.version) == (whole.now(), whole.version)
    assert len(whole.members) > 140
    assert sum(bool(stay.left) for stay in kept.members) <= 2 * ENDED_MOST + 1
    for user in ("anna", "nobody", *users[::6]):
        told = store.memberships([name, fresh("c")], user)[name]
        versions = range(1, whole.version + 1)
        assert [told.may_read(user, each) for each in versions] == [whole.may_read(user, each) for each in versions]
    assert store.memberships([], "anna") == {}
