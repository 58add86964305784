"""Lanes are held by one process at a time, and found again when their holder dies."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary, Throttled
from chat4all.ports import ConnectedAccount, LaneState, Lease, MessageStore, Outgoing
from chat4all.services.seal import Seal
from chat4all.settings import Settings
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS
from tasks.lanes.lease import is_dead, me, share
from tasks.lanes.runner import LaneRunner
from tasks.resources import Parts
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, message, new_id, whatsapp, world

CONVERSATION = new_id("conversation", 1)
LANE = Lane("whatsapp", 0)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1, lease_s=1.0, linger_ms=50) as made:
        made.know(*map(whatsapp, range(5)))
        yield made


@pytest.fixture
def start(road: World) -> Iterator[Callable[[Fake], LaneRunner]]:
    """Starts lane runners, each with a channel of its own, and stops them."""
    begun: list[LaneRunner] = []

    def begin(channel: Fake) -> LaneRunner:
        runner = LaneRunner(road.parts, lambda *_: channel)
        runner.start()
        begun.append(runner)
        return runner

    yield begin
    for each in begun:
        each.stop()


def say(road: World, count: int, first: int = 0, account: str = "") -> None:
    people = [replace(whatsapp(n), account=account) for n in range(5)]
    road.say(*[message(CONVERSATION, n, to=[people[n % 5]]) for n in range(first, first + count)])
    road.run()


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def test_a_lane_that_is_woken_is_worked_off_and_released(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """All is sent once, and the lease is free afterwards."""
    channel = Fake()
    say(road, 20)
    start(channel).wake(LANE)
    wait_for(lambda: len(channel.arrived) == 20 and not road.store.lanes()[LANE].lease.holder)
    state = road.store.lanes()[LANE]
    assert state.cursor == state.fanned


def test_an_account_that_cannot_be_opened_is_shown(road: World) -> None:
    """1 while its settings are wrong, 0 when they were mended; the channel beside it is none the worse."""
    settings = {"whatsapp": Fake()}

    def opens(channel: str, _: Settings) -> Fake:
        return settings[channel]

    def shown() -> dict[str, float]:
        return {channel: value for (channel,), value in READERS[metrics.ACCOUNT_UNOPENED]().items()}

    runner = LaneRunner(road.parts, opens)
    runner.start()
    whatsapp_out, telegram = runner.outlets.of("whatsapp").of(""), runner.outlets.of("telegram").of("")
    assert [whatsapp_out.opened, telegram.opened] == [True, False]
    assert shown() == {"whatsapp": 0, "telegram": 1}
    settings["telegram"] = Fake()
    telegram.again_s = 0.0
    assert telegram.opened
    assert shown() == {"whatsapp": 0, "telegram": 0}
    runner.stop()


def test_a_paused_account_is_shown_and_goes_on_when_it_is_resumed(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """What is accepted meanwhile waits, and goes out by itself, once and in order; the runner asks the store for itself."""
    channel, store = Fake(), road.store
    sealed = Seal(road.parts.settings).seal({"token": "t"})
    account = ConnectedAccount("a", "whatsapp", "1", sealed=sealed, state="paused")
    assert store.put_account(account, 0)
    say(road, 10, account="a")
    start(channel).wake(LANE)
    wait_for(lambda: READERS[metrics.ACCOUNT_PAUSED]().get(("whatsapp",)))
    time.sleep(0.5)
    assert channel.arrived == []
    assert store.put_account(replace(account, state="active"), 1)
    wait_for(lambda: len(channel.arrived) == 10)
    assert not READERS[metrics.ACCOUNT_PAUSED]()[("whatsapp",)]


def test_rows_that_come_while_it_is_held_are_found_without_a_wake(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """The holder looks how far rows exist."""
    channel = Fake()
    say(road, 1)
    runner = start(channel)
    runner.wake(LANE)
    wait_for(lambda: len(channel.arrived) == 1)
    say(road, 5, first=1)
    runner.wake(LANE)
    wait_for(lambda: len(channel.arrived) == 6)


def test_two_processes_never_send_the_same(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """Both are woken again and again while messages come: each message goes out once."""
    one, two = Fake(), Fake()
    runners = [start(one), start(two)]
    for round_ in range(10):
        say(road, 10, first=round_ * 10)
        for runner in runners:
            runner.wake(LANE)
    wait_for(lambda: len(one.arrived) + len(two.arrived) >= 100)
    references = [each.reference for each in (*one.arrived, *two.arrived)]
    assert len(references) == len(set(references)) == 100


def test_a_silent_holder_is_replaced_after_its_lease(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """A holder on another machine that does not beat loses the lane, with a higher fence for the next."""
    channel = Fake()
    say(road, 3)
    assert road.store.swap_lease(LANE, Lease(), Lease("elsewhere/1/1", 7, 0))
    start(channel).wake(LANE)
    wait_for(lambda: len(channel.arrived) == 3)
    assert road.store.lanes()[LANE].lease.fence > 7


def test_a_holder_that_beats_keeps_its_lane(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """As long as the lease changes nobody takes it."""
    channel = Fake()
    say(road, 3)
    lease = Lease("elsewhere/1/1", 7, 0)
    road.store.swap_lease(LANE, Lease(), lease)
    start(channel).wake(LANE)
    for _ in range(8):
        following = Lease(lease.holder, lease.fence, lease.beat + 1)
        assert road.store.swap_lease(LANE, lease, following)
        lease = following
        time.sleep(0.2)
    assert channel.arrived == []


def test_a_dead_process_of_this_machine_is_known_to_be_dead() -> None:
    """This process lives; the same process id with another start time does not; another machine's cannot be known."""
    assert not is_dead(me())
    assert is_dead(me() + "9")
    assert not is_dead("elsewhere/1/1")
    assert not is_dead("")


def test_a_dead_process_leaves_its_lane_at_once(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """Nobody waits for the lease of a process that is known to be gone."""
    channel = Fake()
    say(road, 3)
    road.store.swap_lease(LANE, Lease(), Lease(me() + "9", 7, 0))
    start(channel).wake(LANE)
    wait_for(lambda: len(channel.arrived) == 3)


def test_workers_divide_an_accounts_rate(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """Who holds one of a channel's two held lanes sends at half of the account's rate, at all of it when the other is free."""
    other = Lane("whatsapp", 1)
    road.store.swap_lease(other, Lease(), Lease("elsewhere/1/1", 7, 0))
    channel = Fake()
    # Due again so soon that the lane is kept.
    channel.failure = Throttled("rate_limit", 0.5)
    say(road, 1)
    runner = start(channel)
    runner.wake(LANE)
    wait_for(lambda: [each.throttle.share for _, each in runner.outlets.senders()] == [0.5])
    road.store.swap_lease(other, Lease("elsewhere/1/1", 7, 0), Lease("", 7, 1))
    wait_for(lambda: [each.throttle.share for _, each in runner.outlets.senders()] == [1.0])


def test_a_share_is_of_the_channels_held_lanes() -> None:
    """Other channels' lanes and free ones do not count, and where nobody holds any there is nothing to divide."""

    def held(by: str, channel: str, partition: int) -> tuple[Lane, LaneState]:
        lane = Lane(channel, partition)
        return lane, LaneState(lane, -1, -1, Lease(by, 1, 0))

    lanes = dict([held("me", "telegram", 0), held("you", "telegram", 1), held("you", "telegram", 2), held("", "telegram", 3)])
    lanes |= dict([held("you", "whatsapp", 0), held("", "messenger", 0)])
    assert share(lanes, "telegram", "me") == pytest.approx(1 / 3)
    assert share(lanes, "whatsapp", "me") == 0.0
    assert share(lanes, "messenger", "me") == 1.0


def test_a_beat_under_way_does_not_keep_a_lane_from_being_released(road: World, start: Callable[[Fake], LaneRunner]) -> None:
    """A store that answers a beat late: the work ends meanwhile, and the lane is free for the next holder at once."""
    beating = threading.Event()

    def slow(lane: Lane, seen: Lease, wanted: Lease) -> bool:
        swapped: bool = road.faults.real.swap_lease(lane, seen, wanted)
        fences.add(wanted.fence)
        if seen.holder and wanted.holder:
            beating.set()
            time.sleep(0.3)
        return swapped

    class Waiting(Fake):
        async def send_text(self, message: Outgoing) -> str:
            await asyncio.get_running_loop().run_in_executor(None, beating.wait, 10)
            return await super().send_text(message)

    road.faults.answer("swap_lease", slow)
    fences: set[int] = set()
    channel = Waiting()
    say(road, 1)
    start(channel).wake(LANE)
    wait_for(lambda: len(channel.arrived) == 1 and not road.store.lanes()[LANE].lease.holder)
    assert fences == {road.store.lanes()[LANE].lease.fence}


class Away:
    """A store that one node cannot reach any more: each of its calls fails until it is back. `only`: these of its calls."""

    def __init__(self, store: MessageStore, *only: str) -> None:
        self._store, self.is_away, self._only, self.asked = store, False, only, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)

        def call(*given: Any, **named: Any) -> Any:
            if self.is_away and name in (self._only or (name,)):
                self.asked += 1
                raise Temporary("store", "away")
            return real(*given, **named)

        return call


def test_a_node_that_was_cut_off_from_the_store_comes_back_and_harms_nobody(road: World) -> None:
    """It has words about a key to write for as long as the outage lasts; another one has worked on the lane meanwhile."""
    first, second = Fake(), Fake()
    away = cast("Any", Away(road.store))
    parts = Parts(road.parts.settings, road.log, away, road.parts.partitions, road.parts.objects)
    begun = []
    for channel, held in ((first, parts), (second, road.parts)):
        runner = LaneRunner(held, lambda *_, mine=channel: mine)
        runner.start()
        begun.append(runner)
    first.failure = Throttled("rate_limit", 0.4)
    road.say(message(CONVERSATION, 1, to=[whatsapp(1)]))
    road.run()
    begun[0].wake(LANE)
    wait_for(lambda: road.store.waiting(LANE))
    away.is_away = True
    road.say(message(CONVERSATION, 2, to=[whatsapp(1)]))
    road.run()
    second.failure = Throttled("rate_limit", 2.5)
    begun[1].wake(LANE)
    wait_for(lambda: [row.facts.refusals for row in road.rows()] == [2, 0], 20)
    waiting = road.store.waiting(LANE)
    away.is_away = False
    time.sleep(0.6)
    assert road.store.waiting(LANE) == waiting
    second.failure = None

    def all_ended() -> bool:
        begun[1].wake(LANE)
        return all(row.facts.ended for row in road.rows())

    wait_for(all_ended, 20)
    assert [each.reference for each in (*first.arrived, *second.arrived)] == [str(row.key) for row in road.rows()]
    for each in begun:
        each.stop()


@pytest.mark.parametrize("stands_in", ["owners", "record"])
def test_a_worker_that_is_told_to_stop_in_an_outage_ends_in_time_and_in_order(road: World, stands_in: str) -> None:
    """What waits for the store is cut off, nothing is asked of threads that have ended, and the next holder sends it."""
    away, channel, said = cast("Any", Away(road.store, stands_in)), Fake(), list[Any]()
    settings = road.parts.settings.model_copy(update={"provider_timeout_s": 0.3, "unknown_grace_s": 0.1})
    parts = Parts(settings, road.log, away, road.parts.partitions, road.parts.objects)
    runner = LaneRunner(parts, lambda *_: channel)
    runner._loop.set_exception_handler(lambda _, context: said.append(context))
    runner.start()
    away.is_away = True
    say(road, 3)
    runner.wake(LANE)
    wait_for(lambda: away.asked)
    began = time.monotonic()
    runner.stop(0.5)
    assert time.monotonic() - began < 5
    assert not [each.name for each in threading.enumerate() if each.name.startswith("lanes")]
    assert said == [] and channel.arrived == []
    away.is_away = False
    following = LaneRunner(parts, lambda *_: channel)
    following.start()

    def all_sent() -> bool:
        following.wake(LANE)
        return len(channel.arrived) == 3

    wait_for(all_sent, 20)
    following.stop()
