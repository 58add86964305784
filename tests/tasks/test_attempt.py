"""An attempt: what must hold before the call, and what each way it can end leaves behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from msgspec.structs import replace

from chat4all.model.account_health import suspended_for
from chat4all.model.causes import SUSPENDS_ACCOUNT
from chat4all.model.clock import now_ms
from chat4all.model.contacts import REVOKED
from chat4all.model.content import Media
from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.deliveries import Delivery, Facts, State, state
from chat4all.model.failures import AddressMoved, Failure, Permanent, Temporary, Throttled, Unknown
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Account, Channel, ConnectedAccount, Limits, MediaSource, Outgoing, Taken, Update
from chat4all.services.contacts.merging import merge
from chat4all.services.inbound.address_changes import follow
from tasks.lanes.attempt import Sender
from tasks.lanes.lease import Hold
from tasks.lanes.outcome import Done, Outcome, Wait
from tasks.lanes.writer import GivenUp, Writer, write_all
from tests.tasks.world import World, granted, message, new_id, threads, whatsapp, world

CONVERSATION = new_id("conversation", 1)


class Fake(Channel):
    """A channel whose provider answers as told."""

    name = "whatsapp"
    limits = Limits(4096, 1000, 0, 1, True, frozenset({"sent", "delivered", "read", "failed"}))

    def __init__(self) -> None:
        self.account = Account("1", real=False)
        self.arrived: list[Outgoing] = []
        self.failure: Exception | None = None
        # The ids that it answers with first.
        self.ids: list[Any] = []
        self.takes_s = 0.0
        # What a call waits for.
        self.waits_for: Callable[[], Awaitable[None]] | None = None

    def address(self, text: str) -> str:
        return text

    def challenge(self, query: Mapping[str, str]) -> str | None:
        return None

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        return False

    def read_webhook(self, body: bytes) -> Sequence[Update]:
        return []

    async def check(self) -> str:
        return "checked"

    async def connect(self, webhook_url: str) -> str:
        return ""

    async def send_text(self, message: Outgoing) -> str:
        await asyncio.sleep(self.takes_s)
        if self.waits_for:
            await self.waits_for()
        if self.failure:
            raise self.failure
        self.arrived.append(message)
        if self.ids:
            return cast("str", self.ids.pop(0))
        return f"id-{len(self.arrived)}"

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        return await self.send_text(message)

    async def close(self) -> None:
        return


class Desk:
    """One delivery in a world, and a sender for it."""

    def __init__(self, road: World, channel: Fake, writer: Writer, sender: Sender) -> None:
        self.road, self.channel, self.writer, self.sender = road, channel, writer, sender

    def row(self) -> Delivery:
        (row,) = self.road.rows()
        return row

    async def attempt(self, hold: Hold | None = None, refusals: int = 0) -> Outcome:
        """Try the delivery as it stands now, and keep what comes of it."""
        outcome = await self.sender.attempt(self.row(), refusals, hold or granted())
        if outcome.write:
            await self.writer.write(outcome.write)
        return outcome


class Lost(Hold):
    """A lane that is ours when a delivery is begun, and is found to be another's after so many looks at it."""

    def __init__(self, looks: int) -> None:
        given = granted()
        super().__init__(given.lane, given.lease, 0, 1, taken_over=False)
        self._left = looks

    def goes_on(self) -> bool:
        return True

    def valid(self) -> bool:
        self._left -= 1
        return self._left >= 0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with world(
        tmp_path, unknown_grace_s=0.5, backoff_first_s=0.1, provider_timeout_s=0.4, breaker_failures=3, breaker_probe_s=60
    ) as road:
        async with threads() as executor:
            writer, channel = Writer(road.parts, executor), Fake()
            writing = asyncio.create_task(writer.run())
            road.know(whatsapp(1))
            road.say(message(CONVERSATION, 1, to=[whatsapp(1)]))
            road.run()
            yield Desk(road, channel, writer, Sender(road.parts, channel, writer, executor))
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


async def test_a_success_is_kept_told_and_findable(desk: Desk) -> None:
    """SENT with the provider's id, an event, and the way back from the id and from the address."""
    assert isinstance(await desk.attempt(), Done)
    row = desk.row()
    assert (state(row.facts), row.facts.provider_id, row.facts.attempts) == (State.SENT, "id-1", 1)
    assert desk.road.store.handles([("whatsapp", "1", "id-1")]) == {("whatsapp", "1", "id-1"): row.key}
    assert desk.road.store.last_conversations([("whatsapp", row.address)]) == {("whatsapp", row.address): CONVERSATION}
    assert [each.state for each in desk.road.events("state")] == ["SENT"]
    assert desk.channel.arrived[0].reference == str(row.key)


async def test_a_temporary_refusal_waits_and_is_known_to_have_sent_nothing(desk: Desk) -> None:
    """The attempt counts, its outcome is not unknown, and the next one may go without any grace."""
    desk.channel.failure = Temporary("provider_error")
    outcome = await desk.attempt()
    assert isinstance(outcome, Wait)
    assert outcome.refusals == 1
    assert (desk.row().facts.attempts, desk.row().facts.unknown) == (1, False)


async def test_a_share_of_the_rate_is_paid_for(desk: Desk) -> None:
    """With a quarter of the account's rate each send takes as much of the whole rate as four."""
    paid: list[float] = []
    desk.sender.throttle.share = 0.25
    desk.sender.throttle.rate = Mock(acquire=AsyncMock(side_effect=paid.append), max_rate=desk.sender.throttle.rate.max_rate)
    assert isinstance(await desk.attempt(), Done)
    assert paid == [4.0]


async def test_retry_after_is_obeyed(desk: Desk) -> None:
    """Throttled waits exactly as long as it was told, and does not lengthen the backoff."""
    desk.channel.failure = Throttled("rate_limit", 22)
    before = now_ms()
    outcome = await desk.attempt(refusals=2)
    assert isinstance(outcome, Wait)
    assert outcome.refusals == 2
    assert outcome.at >= before + 22_000


async def test_a_permanent_refusal_ends_it_with_the_reason(desk: Desk) -> None:
    """FAILED with the provider's reason, told, and in the dead letters."""
    desk.channel.failure = Permanent("outside_window")
    assert isinstance(await desk.attempt(), Done)
    assert desk.row().facts.refused_reason == "outside_window"
    assert [(each.state, each.reason) for each in desk.road.events("state")] == [("FAILED", "outside_window")]


async def test_an_unknown_outcome_is_sent_again_after_the_grace_and_counted(desk: Desk) -> None:
    """A lost response waits for a receipt; when none comes it is sent again, and the system says that it may be twice."""
    desk.channel.failure = Unknown("no_response")
    assert isinstance(await desk.attempt(), Wait)
    assert desk.row().facts.unknown
    desk.channel.failure = None
    while isinstance(outcome := await desk.attempt(), Wait):
        await asyncio.sleep(max(0, outcome.at - now_ms()) / 1000)
    assert (desk.row().facts.attempts, desk.row().facts.resends) == (2, 1)


async def test_an_unknown_outcome_that_a_receipt_tells_is_not_sent_again(desk: Desk) -> None:
    """The provider echoes our reference: the delivery is DELIVERED without a second send."""
    desk.channel.failure = Unknown("no_response")
    await desk.attempt()
    desk.road.report(ProviderReceipt("whatsapp", "1", "wamid.7", "delivered", now_ms(), reference=str(desk.row().key)))
    desk.road.receive()
    desk.channel.failure = None
    assert isinstance(await desk.attempt(), Done)
    assert desk.channel.arrived == []
    assert (state(desk.row().facts), desk.row().facts.provider_id) == (State.DELIVERED, "wamid.7")


async def test_a_bare_receipt_that_overtakes_the_answer_is_not_lost(desk: Desk) -> None:
    """A provider that echoes our reference in some receipts only: one without it is there before the answer, and counts."""
    desk.channel.limits = replace(desk.channel.limits, bare_receipts=True)
    desk.road.report(ProviderReceipt("whatsapp", "1", "id-1", "delivered", 1000))
    desk.road.receive()
    assert isinstance(await desk.attempt(), Done)
    assert state(desk.row().facts) is State.DELIVERED


async def test_an_address_that_moved_gets_nothing(desk: Desk) -> None:
    """Between acceptance and attempt the address went to somebody else: FAILED identity_moved, nothing sent."""
    desk.road.store.release_address("whatsapp", whatsapp(1).address, whatsapp(1).user_id)
    desk.road.store.claim_addresses([Identity("whatsapp", whatsapp(1).address, "mallory", 2)])
    assert isinstance(await desk.attempt(), Done)
    assert (desk.channel.arrived, desk.row().facts.refused_reason) == ([], "identity_moved")


async def test_who_lost_the_lane_does_not_send(desk: Desk) -> None:
    """The last look at the lease is after the attempt was written. It says nothing of an attempt that may be another's too."""
    assert isinstance(await desk.attempt(Lost(0)), Wait)
    assert (desk.channel.arrived, desk.row().facts.refusals, desk.row().facts.unknown) == ([], 0, True)


async def test_a_lane_that_stops_begins_nothing(desk: Desk) -> None:
    """A worker that is told to end leaves no attempt whose outcome the next one would have to wait for."""
    hold = granted()
    hold.stop()
    assert isinstance(await desk.attempt(hold), Wait)
    assert (desk.channel.arrived, desk.row().facts) == ([], Facts())


async def test_an_open_breaker_spends_no_attempts(desk: Desk) -> None:
    """After three failures in a row nothing is tried until the probe."""
    desk.channel.failure = Temporary("provider_error")
    for _ in range(3):
        await desk.attempt()
    outcome = await desk.attempt()
    assert isinstance(outcome, Wait)
    assert desk.row().facts.attempts == 3


@pytest.mark.parametrize(("tries", "refusals", "ends"), [(0, 500, False), (3, 1, False), (3, 2, True), (3, 7, True)])
async def test_a_failure_that_may_never_pass_is_tried_so_often(desk: Desk, tries: int, refusals: int, ends: bool) -> None:
    """A channel says after how many refusals in a row it is no use; then it is FAILED with that reason, and a dead letter."""
    desk.channel.failure = Temporary("provider_error", "code 2", tries)
    outcome = await desk.sender.attempt(desk.row(), refusals, granted())
    if not ends:
        assert isinstance(outcome, Wait)
        return
    assert isinstance(outcome, Done)
    assert isinstance(outcome.write, GivenUp)
    assert outcome.write.facts.refused_reason == "provider_error"
    assert outcome.write.letter is not None


async def test_a_delivery_that_is_too_old_ends(tmp_path: Path, desk: Desk) -> None:
    """After a day of refusals it is FAILED expired: nothing waits for ever."""
    old = message(CONVERSATION, 2, to=[whatsapp(1)], accepted_at=now_ms() - 25 * 3_600_000)
    desk.road.say(old)
    desk.road.run()
    row = desk.road.rows()[-1]
    outcome = await desk.sender.attempt(row, 0, granted())
    assert isinstance(outcome, Done)
    assert outcome.write is not None
    assert outcome.write.facts.refused_reason == "expired"


async def test_facts_of_an_attempt_never_hide_a_receipt(desk: Desk) -> None:
    """A receipt that overtakes the response stays: READ is not lowered by the SENT that is written after it."""
    key = desk.row().key
    desk.road.report(ProviderReceipt("whatsapp", "1", "id-1", "read", now_ms(), reference=str(key)))
    desk.road.receive()
    desk.road.store.record({key: Facts(attempts=1, sent_at=now_ms() + 5, provider_id="id-1")})
    assert state(desk.row().facts) is State.READ


async def test_a_receipt_that_was_parked_when_its_holder_died_is_applied(desk: Desk) -> None:
    """The facts were written, the parked receipt was not looked for: whoever looks at the delivery next does that."""
    desk.channel.limits = replace(desk.channel.limits, echoes_reference=False)
    desk.road.report(ProviderReceipt("whatsapp", "1", "id-9", "read", 1000))
    desk.road.receive()
    desk.road.store.record({desk.row().key: Facts(attempts=1, sent_at=now_ms(), provider_id="id-9")})
    assert isinstance(await desk.attempt(), Done)
    assert state(desk.row().facts) is State.READ
    assert desk.channel.arrived == []


async def test_a_letter_that_was_not_written_when_its_holder_died_is_written(desk: Desk) -> None:
    """A refusal among the facts without its dead letter gets it from the next one who looks."""
    desk.road.store.record({desk.row().key: Facts(attempts=1, refused_at=now_ms(), refused_reason="blocked")})
    await desk.attempt()
    letters = desk.road.store.dead_letters(datetime.now(UTC).date().isoformat(), 10)
    assert [(each.reason, each.delivery) for each in letters] == [("blocked", str(desk.row().key))]


@pytest.mark.parametrize("off_s", [-120, 120])
async def test_a_wrong_clock_costs_patience_and_no_second_send(desk: Desk, off_s: int) -> None:
    """The call was made by a process whose clock is two minutes off: the grace is waited for on our own clock."""
    desk.road.store.record({desk.row().key: Facts(attempts=1, attempted_at=now_ms() + off_s * 1000)})
    outcome = await desk.attempt()
    assert isinstance(outcome, Wait)
    assert outcome.at <= now_ms() + 500
    while isinstance(outcome := await desk.attempt(), Wait):
        await asyncio.sleep(max(0, outcome.at - now_ms()) / 1000)
    assert len(desk.channel.arrived) == 1
    assert desk.row().facts.resends == 1


async def test_a_call_of_long_ago_needs_no_more_patience(desk: Desk) -> None:
    """After an outage of hours nobody waits another grace."""
    desk.road.store.record({desk.row().key: Facts(attempts=1, attempted_at=now_ms() - 2 * 3_600_000)})
    assert isinstance(await desk.attempt(), Done)


async def test_a_refusal_that_names_the_new_address_sends_there(desk: Desk) -> None:
    """The group has another id: the message is SENT there instead of FAILED, and the address follows for all that comes."""
    old, new = whatsapp(1).address, "-1005550009"
    desk.channel.failure = AddressMoved("moved", new)
    outcome = await desk.attempt()
    assert isinstance(outcome, Wait)
    desk.channel.failure = None
    assert isinstance(await desk.attempt(), Done)
    assert [each.address for each in desk.channel.arrived] == [new]
    assert state(desk.row().facts) is State.SENT
    owners = desk.road.store.owners([("whatsapp", old), ("whatsapp", new)])
    assert {place: each.user_id for place, each in owners.items()} == {("whatsapp", new): whatsapp(1).user_id}
    assert desk.road.store.last_conversations([("whatsapp", new)]) == {("whatsapp", new): CONVERSATION}


async def test_what_waits_for_an_old_number_goes_to_the_new_one(desk: Desk) -> None:
    """Accepted before the person changed their number, sent after it: it reaches them, and nobody who has the old one."""
    assert follow(desk.road.store, "whatsapp", "1", whatsapp(1).address, "+5511977770000")
    desk.road.store.claim_addresses([Identity("whatsapp", whatsapp(1).address, "stranger", 2)])
    assert isinstance(await desk.attempt(), Done)
    assert [each.address for each in desk.channel.arrived] == ["+5511977770000"]


async def test_an_address_that_is_its_persons_other_contacts_is_still_theirs(desk: Desk) -> None:
    """Who has it now was merged with whom the message is to."""
    store, there = desk.road.store, whatsapp(1)
    store.add_users([User(each, UserKind.CONTACT, 1) for each in ("contact-b", there.user_id)])
    store.release_address("whatsapp", there.address, there.user_id)
    store.claim_addresses([Identity("whatsapp", there.address, "contact-b", 2)])
    merge(store, there.user_id, "contact-b", "crm", 3)
    assert isinstance(await desk.attempt(), Done)
    assert [each.address for each in desk.channel.arrived] == [there.address]


async def test_what_waits_goes_to_an_address_of_the_same_person(desk: Desk) -> None:
    """The person's new number was another contact's, which was merged with theirs: it is sent there, and not identity_moved."""
    store, new = desk.road.store, "+5511977770000"
    store.add_users([User(each, UserKind.CONTACT, 1) for each in ("contact-b", whatsapp(1).user_id)])
    store.claim_addresses([Identity("whatsapp", new, "contact-b", 2)])
    merge(store, whatsapp(1).user_id, "contact-b", "crm", 3)
    assert follow(store, "whatsapp", "1", whatsapp(1).address, new)
    assert isinstance(await desk.attempt(), Done)
    assert [each.address for each in desk.channel.arrived] == [new]


async def test_a_new_address_that_is_anothers_ends_it(desk: Desk) -> None:
    """The provider names an address that somebody else proved to be theirs: FAILED moved, and nothing is sent to them."""
    desk.road.store.add_users([User("mallory", UserKind.PERSON, 1)])
    desk.road.store.claim_addresses([Identity("whatsapp", "-100777", "mallory", 2)])
    desk.channel.failure = AddressMoved("moved", "-100777")
    assert isinstance(await desk.attempt(), Done)
    assert desk.row().facts.refused_reason == "moved"


async def test_what_the_provider_calls_the_person_is_learnt_once(desk: Desk) -> None:
    """The number as the provider writes it, and a user id: an answer from either finds the person. Known ones cost nothing."""
    names = (whatsapp(1).address, "+5491123456789", "AR.555")
    desk.channel.ids = [Taken("id-9", names)]
    assert isinstance(await desk.attempt(), Done)
    owned = desk.road.store.identities([whatsapp(1).user_id])[whatsapp(1).user_id]
    assert {each.address: each.verified for each in owned} == {names[0]: True, names[1]: False, names[2]: False}
    assert desk.row().facts.provider_id == "id-9"
    assert desk.sender._names.learnt(desk.row(), Taken("id-10", names)) == []


@pytest.mark.parametrize(
    "asked", [float("inf"), float("-inf"), float("nan"), 1e20, -5, 0, 10**400, -(10**400), 86_400, 0.25, True], ids=str
)
async def test_whatever_a_provider_asks_to_wait_is_a_time_that_can_be_kept(desk: Desk, asked: float) -> None:
    """Between now and a day, and no number makes it a failure of ours, or a call that is repeated at once."""
    desk.channel.failure = Throttled("rate_limit", asked)
    before = now_ms()
    outcome = await desk.attempt()
    assert isinstance(outcome, Wait)
    assert before <= outcome.at <= now_ms() + 86_400_001
    assert desk.row().facts.refusals == 1
    if 0 <= asked < 86_000:
        assert outcome.at >= before + asked * 1000


ODD = [
    ValueError("json_type"),
    AttributeError("x"),
    KeyError("x"),
    OverflowError(),
    RecursionError(),
    Exception(),
    Failure("odd"),
]


@pytest.mark.parametrize("error", ODD, ids=lambda each: type(each).__name__)
async def test_what_nobody_foresaw_is_an_unknown_outcome(desk: Desk, error: Exception) -> None:
    """Whatever a channel raises: it may have left, so there is a grace, a count, and a longer wait at each further time."""
    desk.sender.throttle.breaker.failures = 100
    desk.channel.failure = error
    refusals, waited = 0, list[int]()
    for attempts in range(1, 5):
        while desk.row().facts.attempts < attempts:
            outcome = await desk.attempt(refusals=refusals)
            assert isinstance(outcome, Wait)
            refusals = outcome.refusals
            again_at = outcome.at
            await asyncio.sleep(max(0, again_at - now_ms()) / 1000)
        waited.append(again_at)
    facts = desk.row().facts
    assert (facts.attempts, facts.refusals, facts.resends) == (4, 0, 3)
    assert refusals == 4
    assert all(later - earlier >= 450 for earlier, later in pairwise(waited))


async def test_a_call_that_never_ends_is_cut_off(desk: Desk) -> None:
    """A channel that forgets its time limit holds nobody up: the outcome is unknown."""
    desk.channel.takes_s = 60
    async with asyncio.timeout(5):
        assert isinstance(await desk.attempt(), Wait)
    assert desk.row().facts.unknown


@pytest.mark.parametrize("provider_id", ["\ud83d", "a\0b", "x" * 5000, "", None, 17], ids=repr)
async def test_an_id_that_no_store_takes_ends_the_delivery_all_the_same(desk: Desk, provider_id: object) -> None:
    """The provider took it: it is SENT, with as much of the id as can be kept."""
    desk.channel.ids = [provider_id]
    assert isinstance(await desk.attempt(), Done)
    assert state(desk.row().facts) is State.SENT
    assert len(desk.row().facts.provider_id) <= 1000


FAILURES = [Throttled("busy", 500), Temporary("provider_error"), Unknown("no_answer"), ValueError("odd")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
async def test_a_delivery_waits_for_no_longer_than_it_lives(desk: Desk, failure: Exception) -> None:
    """Whatever it waits for: it is looked at when its life ends, and ends then, whenever its next attempt would be."""
    life_ms, early = int(desk.road.parts.settings.give_up_h * 3_600_000), now_ms()
    desk.road.say(message(CONVERSATION, 2, to=[whatsapp(1)], accepted_at=early - life_ms + 1200))
    desk.road.run()
    desk.channel.failure = failure
    row, refusals, ends = desk.road.rows()[-1], 12, early + 1201
    while isinstance(outcome := await desk.sender.attempt(row, refusals, granted()), Wait):
        assert outcome.at <= ends + 600
        if outcome.write:
            await desk.writer.write(outcome.write)
        await asyncio.sleep(max(0, outcome.at - now_ms()) / 1000)
        row = desk.road.rows()[-1]
    assert outcome.write
    assert outcome.write.facts.refused_reason == "expired"
    assert ends <= now_ms() <= ends + 1500


async def test_an_open_breaker_lets_a_delivery_end_in_its_time(desk: Desk) -> None:
    """HeldKey back for a minute, with a second to live."""
    life_ms, early = int(desk.road.parts.settings.give_up_h * 3_600_000), now_ms()
    desk.road.say(message(CONVERSATION, 2, to=[whatsapp(1)], accepted_at=early - life_ms + 1000))
    desk.road.run()
    for _ in range(3):
        desk.sender.throttle.failed()
    outcome = await desk.sender.attempt(desk.road.rows()[-1], 0, granted())
    assert isinstance(outcome, Wait)
    assert outcome.at == outcome.ends == early - life_ms + 1000 + life_ms + 1


async def test_who_waits_for_its_turn_does_not_call_once_the_breaker_is_open(desk: Desk) -> None:
    """Calls that hang have taken all places; those behind them are put off when the breaker opens, and make no call."""
    hung, go = asyncio.Event(), asyncio.Event()
    called, row = 0, desk.row()

    async def hang() -> None:
        nonlocal called
        called += 1
        hung.set()
        await go.wait()

    desk.channel.waits_for, desk.channel.failure = hang, Temporary("provider_error")
    desk.sender._in_flight.resize(1)
    first = asyncio.create_task(desk.sender.attempt(row, 0, granted()))
    await hung.wait()
    others = [asyncio.create_task(desk.sender.attempt(row, 0, granted())) for _ in range(20)]
    await asyncio.sleep(0.05)
    for _ in range(3):
        desk.sender.throttle.failed()
    go.set()
    outcomes = await asyncio.gather(first, *others)
    assert called == 1
    assert all(isinstance(each, Wait) and each.at > now_ms() + 30_000 for each in outcomes[1:])


async def test_a_refusal_after_the_lane_was_lost_is_left_to_the_next_holder(desk: Desk) -> None:
    """The next holder may have sent it meanwhile: then it has not failed."""
    desk.channel.failure = Permanent("blocked")
    assert isinstance(await desk.attempt(Lost(1)), Wait)
    assert desk.row().facts.refused_at == 0
    assert desk.row().facts.unknown


@pytest.mark.parametrize(("said", "heard"), [("blocked", "blocked"), ("deactivated", "gone"), ("undeliverable", "")])
async def test_a_refusal_that_lasts_is_known_of_the_address(desk: Desk, said: str, heard: str) -> None:
    """So the next message to it is refused when it is accepted; of a refusal that may pass nothing is kept."""
    desk.channel.failure = Permanent(said)
    outcome = await desk.attempt()
    assert isinstance(outcome, Done)
    assert outcome.write
    write_all(desk.road.parts, [outcome.write])
    row = desk.row()
    kept = desk.road.store.profiles([row.user_id])[row.user_id]
    assert kept.heard_of(Identity(row.key.lane.channel, row.address, row.user_id, 1)) == heard


async def test_who_wants_no_such_messages_has_revoked_their_consent(desk: Desk) -> None:
    """As a provider's answer says it; readers are told."""
    desk.road.store.add_users([User(desk.row().user_id, UserKind.CONTACT, 1)])
    desk.channel.failure = Permanent("opted_out")
    outcome = await desk.attempt()
    assert isinstance(outcome, Done)
    assert outcome.write
    write_all(desk.road.parts, [outcome.write])
    kept = desk.road.store.profiles([desk.row().user_id])[desk.row().user_id]
    [(channel, consent)] = kept.consents.items()
    assert (channel, consent.state, consent.source) == (desk.row().key.lane.channel, REVOKED, "answer")
    assert kept.unsaid == ()


@pytest.mark.parametrize("why", sorted(SUSPENDS_ACCOUNT))
async def test_a_refusal_that_is_the_accounts_stops_it_at_once(desk: Desk, why: str) -> None:
    """The message waits; no second one is tried before the probe, and the account is suspended."""
    assert desk.road.store.put_account(ConnectedAccount("shop", "whatsapp", "1", state="active"), 0)
    desk.channel.failure = Temporary(why)
    row = replace(desk.row(), account="shop")
    outcome = await desk.sender.attempt(row, 0, granted())
    assert isinstance(outcome, Wait)
    assert desk.sender.throttle.closed_s()
    kept = desk.road.store.account("shop")
    assert kept
    assert suspended_for(kept.health, now_ms()) == why
    number = desk.road.store.accounts_changed()
    await desk.sender._suspended(row, why)
    assert desk.road.store.accounts_changed() == number


async def test_a_refusal_of_one_person_stops_nobody_else(desk: Desk) -> None:
    """A limit of one person's ends that delivery alone."""
    assert desk.road.store.put_account(ConnectedAccount("shop", "whatsapp", "1", state="active"), 0)
    desk.channel.failure = Permanent("ecosystem_limit")
    assert isinstance(await desk.sender.attempt(replace(desk.row(), account="shop"), 0, granted()), Done)
    kept = desk.road.store.account("shop")
    assert kept
    assert (kept.health, desk.sender.throttle.closed_s()) == ({}, None)
