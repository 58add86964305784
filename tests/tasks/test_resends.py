"""Replays: what FAILED is sent again once per wish, goes out through its lane, and points at the delivery that it repeats."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridges.streaming.cursor import Cursor
from bridges.streaming.history import HistoryReader
from chat4all.model.callers import Caller
from chat4all.model.content import Deletion, Edit, Media, Text
from chat4all.model.conversations import Conversation, ConversationType, Identity
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, State, state
from chat4all.model.failures import Permanent
from chat4all.model.ids import resend_message_id
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import INCOMING, ProviderReceipt
from chat4all.ports import ConnectedAccount
from chat4all.services import resends
from chat4all.services.resends import Plan, Resend, Wish, keys_of, plan, whereabouts
from chat4all.services.seal import Seal
from tasks.lanes.writer import Writer
from tests.tasks.test_lane import Bench
from tests.tasks.world import World, asked_anew, message, new_id, threads, whatsapp, world
from webapp.queries.history_pages import page_of

TALK = new_id("conversation", 1)
FAILED = Facts(attempts=3, attempted_at=5, refusals=3, refused_at=5, refused_reason="undeliverable")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with world(tmp_path, partitions=1) as road:
        async with threads() as executor:
            made = Bench(road, executor)
            made.writer = Writer(road.parts, executor)
            writing = asyncio.create_task(made.writer.run())
            road.know(*map(whatsapp, range(5)))
            yield made
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


@pytest.fixture
def road(bench: Bench) -> World:
    return bench.road


def say(road: World, *said: Message) -> None:
    road.say(*said)
    road.run()


def failed(road: World, number: int = 1, to: Sequence[Recipient] = ()) -> DeliveryKey:
    """A message whose first delivery FAILED."""
    said = message(TALK, number, to=to or [whatsapp(1)])
    say(road, said)
    key = keys_of(road.store, road.parts.partitions, said.message_id)[0]
    if not road.store.deliveries([key])[key].facts.ended:
        road.store.record({key: FAILED})
    return key


def planned(road: World, *keys: DeliveryKey, wish: Wish | None = None) -> Plan:
    return plan(road.store, asked_anew(road), keys, wish or Wish(), int(time.time() * 1000))


def sent_again(road: World, *keys: DeliveryKey, wish: Wish | None = None) -> tuple[Resend, ...]:
    """Append what is planned, and let the stages see to it."""
    wanted = planned(road, *keys, wish=wish).resends
    resends.append(road.parts.log, road.parts.partitions, wanted)
    road.run()
    return wanted


def row_of(road: World, key: DeliveryKey) -> Delivery:
    return road.store.deliveries([key])[key]


def ends(road: World) -> int:
    return sum(end for _, end in road.log.ends(INCOMING).values())


def reasons(made: Plan) -> list[str]:
    return [each.why.partition(":")[0] for each in made.left]


async def test_what_failed_is_delivered_by_its_lane(bench: Bench) -> None:
    """The new row goes out through the lane like any other; the old one says which record repeats it and stays as it was."""
    road = bench.road
    key = failed(road)
    (resend,) = sent_again(road, key)
    assert [each.state for each in whereabouts(road.store, [resend])] == ["PENDING"]
    await bench.work()
    (where,) = whereabouts(road.store, [resend])
    assert (where.key, where.state, where.ended) == (key, "SENT", True)
    first, second = road.rows()
    assert first.facts == replace(FAILED, resent_as=second.key.seq)
    assert bench.provider.sent[TALK, whatsapp(1).address] == [second.key.seq]
    assert second.payload == first.payload


async def test_a_resend_waits_for_its_turn_like_any_message(bench: Bench) -> None:
    """To one address, messages said before the replay and after it keep their places around it."""
    road = bench.road
    key = failed(road, 1)
    say(road, message(TALK, 2, to=[whatsapp(1)]))
    (resend,) = sent_again(road, key)
    say(road, message(TALK, 3, to=[whatsapp(1)]))
    await bench.work()
    sent = bench.provider.sent[TALK, whatsapp(1).address]
    assert (len(sent), sent) == (3, sorted(sent))
    assert sent[1] == row_of(road, key).facts.resent_as
    assert resend.message.resend_of == key.seq


def test_the_same_wish_twice_is_once(road: World) -> None:
    """Twice at once, before anything was processed; again later; and under a name of its own: one row each."""
    key = failed(road)
    made = planned(road, key)
    resends.append(road.parts.log, road.parts.partitions, made.resends)
    resends.append(road.parts.log, road.parts.partitions, planned(road, key).resends)
    road.run()
    assert len(road.rows()) == 2
    assert reasons(planned(road, key)) == ["PENDING"]
    named = Wish("after the outage", force=True)
    sent_again(road, key, wish=named)
    assert reasons(planned(road, key, wish=named)) == ["done"]
    sent_again(road, key, wish=named)
    assert len(road.rows()) == 3


def test_what_failed_again_can_be_sent_again(road: World) -> None:
    """The resend FAILED too: naming it, or the first one, or both, sends the first one again once."""
    first = failed(road)
    sent_again(road, first)
    second = DeliveryKey(first.lane, row_of(road, first).facts.resent_as, 0)
    road.store.record({second: FAILED})
    (resend,) = sent_again(road, second, first)
    assert (resend.key, resend.message.resend_of) == (first, first.seq)
    assert resend.message.message_id != resend_message_id(str(first), "after 0")
    assert row_of(road, first).facts.resent_as > second.seq
    assert len(road.rows()) == 3


@pytest.mark.parametrize(
    ("facts", "stands"),
    [
        (Facts(), "PENDING"),
        (Facts(attempts=1, sent_at=5, provider_id="p"), "SENT"),
        (Facts(sent_at=5, delivered_at=6), "DELIVERED"),
        (Facts(sent_at=5, failed_at=6, failed_reason="outside_window", read_at=7), "READ"),
    ],
)
def test_only_what_failed_is_sent_again_unless_forced(road: World, facts: Facts, stands: str) -> None:
    """What waits, or arrived in any way, is left; with force it goes, once per name."""
    say(road, message(TALK, 1, to=[whatsapp(1)]))
    (row,) = road.rows()
    road.store.record({row.key: facts})
    assert reasons(planned(road, row.key)) == [stands]
    assert reasons(planned(road, row.key, wish=Wish("x"))) == [stands]
    sent_again(road, row.key, wish=Wish("x", force=True))
    sent_again(road, row.key, wish=Wish("x", force=True))
    assert len(road.rows()) == 2


def test_what_the_provider_failed_later_counts_as_failed(road: World) -> None:
    """SENT, then a receipt that says failed: sent again; when a late receipt says delivered after all, it is not."""
    say(road, message(TALK, 1, to=[whatsapp(1)]))
    (row,) = road.rows()
    road.store.record({row.key: Facts(attempts=1, sent_at=5, provider_id="w")})
    road.report(ProviderReceipt("whatsapp", "1", "w", "failed", 6, "outside_window", str(row.key)))
    road.receive()
    assert [each.stands for each in planned(road, row.key).resends] == ["FAILED outside_window"]
    road.report(ProviderReceipt("whatsapp", "1", "w", "delivered", 7, "", str(row.key)))
    road.receive()
    assert reasons(planned(road, row.key)) == ["DELIVERED"]


def test_a_resend_that_arrived_settles_it(road: World) -> None:
    """The first stays FAILED for ever, and is not sent a third time."""
    key = failed(road)
    sent_again(road, key)
    again = DeliveryKey(key.lane, row_of(road, key).facts.resent_as, 0)
    road.store.record({again: Facts(attempts=1, sent_at=9, provider_id="p")})
    assert state(row_of(road, key).facts) is State.FAILED
    assert reasons(planned(road, key)) == ["SENT"]


def test_each_recipient_of_a_message_stands_for_itself(road: World) -> None:
    """Of three, the one that FAILED goes again, to that person alone, and points at their place in the message."""
    said = message(TALK, 1, to=[whatsapp(1), whatsapp(2), whatsapp(3)], sender_name="Alice", metadata={"order": 7})
    say(road, said)
    keys = keys_of(road.store, 1, said.message_id)
    road.store.record({keys[0]: Facts(sent_at=5), keys[1]: FAILED, keys[2]: Facts(sent_at=5)})
    (resend,) = sent_again(road, *keys)
    assert resend.message.recipients == (whatsapp(2),)
    assert (resend.message.sender_name, resend.message.metadata) == ("Alice", {"order": 7})
    assert [row_of(road, key).facts.resent_as for key in keys] == [0, road.rows()[-1].key.seq, 0]


def test_a_file_goes_again_whole(road: World) -> None:
    """Everything that a channel needs of the file is in the new row too."""
    file = Media("f1", "look", "a.png", "image/png", 9, "objects/f1")
    said = replace(message(TALK, 1, to=[whatsapp(1)]), payload=file)
    say(road, said)
    (key,) = keys_of(road.store, 1, said.message_id)
    road.store.record({key: FAILED})
    sent_again(road, key)
    assert road.rows()[-1].payload == file


def test_the_address_is_looked_up_anew_where_it_was_missing_or_moved(road: World) -> None:
    """no_identity and identity_moved go to where the person is now, last written from; who is nowhere is left."""
    bob = Recipient("bob", "whatsapp")
    key = failed(road, 1, [bob])
    assert row_of(road, key).facts.refused_reason == "no_identity"
    assert "no verified address" in planned(road, key).left[0].why
    road.know(replace(bob, address="+551"), replace(bob, address="+552"))
    road.store.claim_addresses([Identity("whatsapp", "+553", "bob", 1, verified=False)])
    road.store.note_wrote({("whatsapp", "+552"): 9})
    assert [each.address for each in sent_again(road, key)[0].message.recipients] == ["+552"]
    moved = failed(road, 2)
    road.store.release_address("whatsapp", whatsapp(1).address, whatsapp(1).user_id)
    road.know(replace(whatsapp(1), address="+559"))
    assert planned(road, moved).resends[0].message.recipients[0].address == "+559"


def test_an_address_that_still_stands_is_kept(road: World) -> None:
    """Somebody with two numbers gets it where it was meant to go, not where they wrote from since."""
    key = failed(road)
    road.know(replace(whatsapp(1), address="+559"))
    road.store.note_wrote({("whatsapp", "+559"): 99})
    assert planned(road, key).resends[0].message.recipients == (whatsapp(1),)


def test_what_cannot_be_sent_again_says_why(road: World) -> None:
    """An unknown delivery, a channel that does not exist, a message that nobody knows: named, and nothing is written."""
    pigeon = failed(road, 1, [Recipient("carol", "pigeon", "roof")])
    unknown = DeliveryKey(Lane("whatsapp", 0), 4711, 0)
    before = ends(road)
    made = planned(road, pigeon, unknown)
    assert made.resends == ()
    assert {each.name: each.why for each in made.left} == {
        str(unknown): "unknown delivery",
        str(pigeon): "FAILED unknown_channel: there is no channel pigeon",
    }
    with pytest.raises(Permanent, match="unknown_message"):
        keys_of(road.store, 1, new_id("nobody"))
    assert ends(road) == before


def test_no_reader_sees_a_second_message(road: World) -> None:
    """History, live events, and what a reader who resumes is sent hold the message once."""
    road.store.add_conversations([(Conversation(TALK, ConversationType.GROUP, "alice", 1), ["alice", "bob"])])
    key = failed(road)
    sent_again(road, key)
    membership = road.store.memberships([TALK])[TALK]
    assert len(road.store.page(TALK, None, None, 10)) == 2
    assert [each.seq for each in page_of(road.store, membership, Caller("bob"), 0, None, 10).messages] == [key.seq]
    assert {each.seq for each in road.events("message")} == {key.seq}
    past = [each for chunk in HistoryReader(road.store, 1).messages("bob", Cursor(), {0: 2**50}) for each in chunk]
    assert [each.seq for each in past] == [key.seq]


@pytest.mark.parametrize("wish", [Wish(), Wish("once more", force=True)])
def test_deleted_words_are_not_sent_again_however_they_failed(road: World, wish: Wish) -> None:
    """Sent, edited and deleted; then the provider says that neither came. Neither words are sent again."""
    said = message(TALK, 1, to=[whatsapp(1)])
    for each in (said, replace(message(TALK, 2), payload=Edit(Text("other words"), said.message_id))):
        say(road, each)
        newest = road.rows()[-1].key
        road.store.record({newest: Facts(attempts=1, sent_at=5, provider_id=str(newest))})
    first, edit = road.rows()
    say(road, replace(message(TALK, 3), payload=Deletion(said.message_id)))
    assert road.store.withdrawn([first.key, edit.key]) == {}
    road.store.record({each.key: Facts(failed_at=6, failed_reason="undeliverable") for each in (first, edit)})
    made = planned(road, first.key, edit.key, wish=wish)
    assert (made.resends, reasons(made)) == ((), ["taken_back", "taken_back"])


def with_account(road: World, account_id: str, number: str, state: str) -> None:
    """A WhatsApp number that was connected."""
    given = {"token": "t", "phone_number_id": number, "app_secret": "s", "verify_token": "v"}
    sealed = b"" if state == "removed" else Seal(road.parts.settings).seal(given)
    row = ConnectedAccount(account_id, "whatsapp", number, sealed=sealed, state=state, created_at=int(number))
    assert road.store.put_account(row, road.store.accounts_changed())


async def test_what_a_removed_account_sent_goes_out_from_the_one_that_answers_now(bench: Bench) -> None:
    """The default; or the one that the person wrote to last. Of an account that is only paused it stays that one."""
    road = bench.road
    for account, number, stands in (
        ("gone", "1", "removed"),
        ("shop", "2", "active"),
        ("agency", "3", "active"),
        ("rests", "4", "paused"),
    ):
        with_account(road, account, number, stands)
    keys = [
        failed(road, number, [replace(whatsapp(number), account=account)])
        for number, account in ((1, "gone"), (2, "gone"), (3, "rests"))
    ]
    road.store.note_wrote({}, {("whatsapp", whatsapp(2).address, "3"): 7})
    again = sent_again(road, *keys)
    assert [[each.account for each in one.message.recipients] for one in again] == [["shop"], ["agency"], ["rests"]]
    assert [one.stands for one in again] == [
        "FAILED undeliverable, now from shop", "FAILED undeliverable, now from agency", "FAILED undeliverable"
    ]  # fmt: skip
    assert {row.account for row in road.rows()} == {"gone", "shop", "agency", "rests"}
