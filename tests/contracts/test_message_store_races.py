"""Many writers at one store: whoever wins, all agree; nothing that was acknowledged is lost."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest

from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.ports import Arrived, Lease, MessageStore, Registration
from chat4all.settings import Settings
from tests.contracts.store_process import ROUNDS
from tests.contracts.stores import claim, delivery, fresh, group, lane, person

ROOT = Path(__file__).parents[2]
THREADS = 8
PROCESSES = 3

Answer = TypeVar("Answer")
Start = Callable[[str, str, str], "subprocess.Popen[str]"]


def at_once(work: Callable[[int], Answer]) -> list[Answer]:
    """The answers of threads that begin together."""
    barrier = Barrier(THREADS)

    def begin(number: int) -> Answer:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


@pytest.fixture
def start(store: MessageStore, store_settings: Settings) -> Iterator[Start]:
    """Starts processes on the test's store; they wait for a line."""
    store.check()
    environment = {**os.environ, "CHAT4ALL_DATA": str(store_settings.data), "CHAT4ALL_STORE": store_settings.store}
    with ExitStack() as started:

        def begin(command: str, name: str, more: str) -> "subprocess.Popen[str]":
            arguments = [sys.executable, "-m", "tests.contracts.store_process", command, name, more]
            process = subprocess.Popen(
                arguments, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield begin


def together(start: Start, command: str, name: str) -> list[list[str]]:
    """What each of several processes says that do the same at the same time."""
    processes = [start(command, name, str(number)) for number in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return said


def test_threads_that_register_one_thing_agree_on_who_was_first(store: MessageStore) -> None:
    """Users, addresses, conversations and inbound messages have one first writer."""
    user, channel, conversation = fresh("u"), fresh("ch"), fresh("c")
    users = at_once(lambda me: store.add_users([person(user, created_at=me + 1)])[0])
    owners = at_once(lambda me: store.claim_addresses([claim(channel, "1", f"user-{me}")])[0])
    founded = at_once(lambda me: store.add_conversations([(group(conversation, f"user-{me}"), [f"user-{me}"])])[0])
    routes = at_once(lambda me: store.register_inbound([(channel, "a", "1", Arrived(f"c-{me}", f"m-{me}"))])[0])
    assert users == [store.users([user])[user]] * THREADS
    assert owners == [store.owners([(channel, "1")])[channel, "1"]] * THREADS
    assert founded == [store.memberships([conversation])[conversation]] * THREADS
    assert founded[0].now() == [founded[0].conversation.owner]
    assert len(set(routes)) == 1


def test_one_of_many_threads_changes_the_members(store: MessageStore) -> None:
    """Of those that saw the same version one succeeds, and its change is what is kept."""
    key = fresh("c")
    store.add_conversations([(group(key), ["anna"])])
    changed = [each for each in at_once(lambda me: store.change_members(key, 1, [f"user-{me}"], [])) if each]
    assert [store.memberships([key])[key]] == changed


def test_one_of_many_threads_gets_the_lease(store: MessageStore) -> None:
    """For a lane that was never used, and for one whose lease was left behind."""
    here = lane()
    assert sum(at_once(lambda me: store.swap_lease(here, Lease(), Lease(f"holder-{me}", 1, 1)))) == 1
    left = store.lanes([here])[here].lease
    assert sum(at_once(lambda me: store.swap_lease(here, left, Lease(f"holder-{me}", 2, 1)))) == 1
    assert store.lanes([here])[here].lease.fence == 2


def test_threads_lose_none_of_each_others_facts_and_positions(store: MessageStore) -> None:
    """Everything that only grows holds the highest that any thread wrote."""
    topic, here = fresh("t"), lane()
    key = DeliveryKey(here, 5, 0)
    store.put_deliveries([delivery(key)])

    def work(me: int) -> None:
        store.record({key: Facts(attempts=me, sent_at=10 + me, provider_id=f"p{me}", resent_as=THREADS - me)})
        store.raise_fanned({here: me})
        store.raise_cursor(here, THREADS - me, 0)
        store.raise_progress(topic, {0: me})

    at_once(work)
    top = THREADS - 1
    assert store.deliveries([key])[key].facts == Facts(attempts=top, sent_at=10, provider_id="p0", resent_as=THREADS)
    state = store.lanes([here])[here]
    assert (state.fanned, state.cursor) == (top, THREADS)
    assert store.progress(topic)[0].done == top


def test_threads_read_while_others_write(store: MessageStore) -> None:
    """Readers see rows whole, and what was acknowledged before they asked."""
    here = lane()

    def work(me: int) -> bool:
        keys = [DeliveryKey(here, seq, me) for seq in range(1, 11)]
        for key in keys:
            store.put_deliveries([delivery(key, Facts(sent_at=key.seq, provider_id=f"p{key.seq}"))])
            if store.deliveries([key])[key].facts.provider_id != f"p{key.seq}":
                return False
            if any(row.facts.provider_id != f"p{row.key.seq}" for row in store.lane_rows(here, (0, 0), 100, 1000)):
                return False
        return True

    assert all(at_once(work))


def test_processes_agree_on_who_claimed_an_address_and_who_holds_a_lane(store: MessageStore, start: Start) -> None:
    """Each address and each lease went to exactly one, and that one was told so."""
    channel = fresh("ch")
    for command in ("claim", "lease"):
        won = sorted(int(line) for said in together(start, command, channel) for line in said)
        assert won == list(range(ROUNDS))
    assert len(store.owners([(channel, str(address)) for address in range(ROUNDS)])) == ROUNDS


def test_processes_lose_none_of_each_others_facts_and_registrations(store: MessageStore, start: Start) -> None:
    """The smallest seq of every id, and the most attempts with the earliest sending of every row, whoever wrote last."""
    name = fresh("n")
    store.put_deliveries([delivery(DeliveryKey(Lane(name, 0), seq, 0)) for seq in range(1, ROUNDS + 1)])
    seqs: dict[int, list[int]] = {}
    for line in [line for said in together(start, "register", name) for line in said]:
        at, seq = map(int, line.split())
        seqs.setdefault(at, []).append(seq)
    ids = [(name, f"{name}-{at}") for at in seqs]
    smallest = [Registration(*key, min(seqs[at]), f"digest {min(seqs[at])}") for at, key in enumerate(ids)]
    assert list(store.registered(ids).values()) == smallest
    times: dict[int, list[int]] = {}
    for line in [line for said in together(start, "merge", name) for line in said]:
        seq, time = map(int, line.split())
        times.setdefault(seq, []).append(time)
    for row in store.lane_rows(Lane(name, 0), (0, 0), ROUNDS, 1000):
        told = times[row.key.seq]
        assert row.facts == Facts(attempts=max(told), sent_at=min(told), provider_id=f"p{min(told)}")


def test_processes_that_change_one_endpoint_of_webhooks_each_make_versions_of_their_own(
    store: MessageStore, start: Start
) -> None:
    """Nobody replaces what somebody else has made and he has not seen: every version was made once."""
    name = fresh("wh")
    made = [int(line) for said in together(start, "change", name) for line in said]
    kept = store.webhook(name)
    assert kept is not None
    assert len(set(made)) == len(made) == PROCESSES * ROUNDS
    assert set(made) <= set(range(1, kept.version + 1))


@pytest.mark.parametrize("acknowledged", [1, 23, 60])
def test_what_a_killed_process_was_told_is_kept(store: MessageStore, start: Start, acknowledged: int) -> None:
    """kill -9 at any moment: acknowledged rows are all there, whole, and others can write on at once."""
    name = fresh("n")
    process = start("write", name, "")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    said = [process.stdout.readline() for _ in range(acknowledged)]
    process.kill()
    # Not `communicate`: it passes over what `readline` has already taken in.
    told = dict(line.split() for line in [*said, *process.stdout.readlines()] if line.endswith("\n"))
    process.wait(60)
    seqs = [int(seq) for seq in told]
    assert seqs == list(range(1, len(seqs) + 1))
    kept = store.messages([(name, seq) for seq in seqs])
    assert {str(each.seq): each.message_id for each in kept.values()} == told
    assert {each.message_id: each.seq for each in store.registered([(name, told[str(seq)]) for seq in seqs]).values()} == {
        told[str(seq)]: seq for seq in seqs
    }
    rows = store.lane_rows(Lane(name, 0), (0, 0), seqs[-1], len(seqs) + 1)
    assert [(row.key.seq, row.facts.provider_id) for row in rows] == [(seq, f"p{seq}") for seq in seqs]
    assert store.lanes([Lane(name, 0)])[Lane(name, 0)].fanned >= seqs[-1]
    store.raise_fanned({Lane(name, 0): 2**50})
    assert store.lanes([Lane(name, 0)])[Lane(name, 0)].fanned == 2**50
