"""Endpoints are told every event, in order per conversation, whatever fails; repeats have the same id."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import day_of, now_ms
from chat4all.model.deliveries import RANK, DeliveryKey, Facts, Lane, State
from chat4all.model.event_types import PROVIDER
from chat4all.model.events import Event, decode, encode
from chat4all.model.failures import Temporary
from chat4all.model.forwarded import ProviderCall, forwarded_event, forwarded_id
from chat4all.model.ids import public_event_id
from chat4all.model.records import NewRecord
from chat4all.ports import Lease
from chat4all.ports.webhooks import WEBHOOKS, Filter, Recovery
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.webhooks import own_events
from chat4all.v1 import chat_pb2 as pb
from tasks.outcomes.events import publish, state_event
from tasks.sweep import Sweeper
from tests.tasks.webhook_world import Receiver, add, change, receiving, say, telling, wait_for, wake
from tests.tasks.world import World, message, new_id, whatsapp, world

ONE, TWO = new_id("conversation", 1), new_id("conversation", 2)
LANE = Lane(WEBHOOKS, 0)
# 5 s become 50 ms.
SCALE = 0.01


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1, lease_s=1.0, webhook_schedule_scale=SCALE, webhook_timeout_s=2) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def failing(times: int, status: int = 500) -> Callable[[Any], Any]:
    """Answers so many calls with this status, then all with 200."""
    left = [times]

    def answer(_: Any) -> Any:
        left[0] -= 1
        return (status if left[0] >= 0 else 200), {}

    return answer


def ids(receiver: Receiver, path: str) -> Counter[str]:
    return Counter(said["id"] for where, said in receiver.told if where == path)


def test_all_is_told_in_order_and_the_cursor_follows(road: World, receiver: Receiver) -> None:
    """Two conversations, each in order, once; the envelope says what the event is."""
    add(road, receiver, "/a")
    with telling(road):
        say(road, ONE, 20)
        say(road, TWO, 20, first=20)
        wait_for(lambda: len(receiver.of("/a")) == 40)
        wait_for(lambda: road.store.lanes([LANE])[LANE].cursor == road.log.ends("chat-events")[0][1])
    assert receiver.of("/a", ONE) == sorted(receiver.of("/a", ONE))
    assert set(ids(receiver, "/a").values()) == {1}
    _, said = receiver.told[0]
    assert said["type"] == "message.accepted"
    assert said["workspace"] == "default"
    assert said["data"]["payload"] == {"type": "text", "text": "hello"}
    assert receiver.headers[0]["webhook-id"] == said["id"]
    assert road.store.told_seqs()[0] == max(receiver.of("/a"))
    assert not road.store.lanes([LANE])[LANE].lease.holder


def test_a_failure_holds_up_its_conversation_only(road: World, receiver: Receiver) -> None:
    """The other conversation is told meanwhile; what failed is told later, in order, and every call is in the log."""
    add(road, receiver, "/a")
    bad = failing(2)
    receiver.answers["/a"] = lambda said: bad(said) if said["conversation_id"] == ONE else (200, {})
    with telling(road):
        say(road, ONE, 5)
        say(road, TWO, 5, first=5)
        wait_for(lambda: len(receiver.of("/a", TWO)) == 5)
        wait_for(lambda: len(receiver.of("/a", ONE)) == 5)
        wait_for(lambda: not road.store.waiting(LANE))
        wait_for(lambda: len(road.store.webhook_calls("a", 50)) == 12)
    assert receiver.of("/a", ONE) == sorted(receiver.of("/a", ONE))
    assert set(ids(receiver, "/a").values()) == {1}
    calls = road.store.webhook_calls("a", 50)
    assert sorted(each.number for each in calls if each.status == 500) == [1, 2]


@pytest.mark.parametrize("status", [301, 308, 404, 500])
def test_only_2xx_is_told(road: World, receiver: Receiver, status: int) -> None:
    """A redirect is not followed: it fails as anything else does, and is tried again."""
    add(road, receiver, "/a")
    bad = failing(1)
    receiver.answers["/a"] = lambda said: (status if bad(said)[0] == 500 else 200, {"Location": "/elsewhere"})
    with telling(road):
        say(road, ONE, 1)
        wait_for(lambda: len(receiver.of("/a")) == 1)
    assert [path for path, _ in receiver.calls] == ["/a", "/a"]


def test_an_endpoint_that_is_gone_is_disabled(road: World, receiver: Receiver) -> None:
    """After 410 nothing more is sent there, nothing waits, and the endpoint says why."""
    add(road, receiver, "/a")
    receiver.answers["/a"] = lambda _: (410, {})
    with telling(road):
        say(road, ONE, 3)

        def is_disabled() -> bool:
            kept = road.store.webhook("a")
            return kept is not None and (kept.status, kept.reason) == ("disabled", "gone")

        wait_for(is_disabled)
        wait_for(lambda: not road.store.waiting(LANE))
        assert len(receiver.calls) == 1


def test_others_are_told_that_one_was_disabled(road: World, receiver: Receiver) -> None:
    """And it has no conversation that it could hold up."""
    add(road, receiver, "/a", events=("message.accepted",))
    add(road, receiver, "/b", events=("webhook.disabled",))
    receiver.answers["/a"] = lambda _: (410, {})
    with telling(road):
        say(road, ONE, 1)
        sweeper = Sweeper()

        def is_told() -> bool:
            sweeper.sweep(road.parts)
            return bool(receiver.told)

        wait_for(is_told)
    [(path, said)] = receiver.told
    assert (path, said["type"], said["data"]["webhook_id"], said["data"]["reason"]) == ("/b", "webhook.disabled", "a", "gone")


def test_a_test_goes_to_one_endpoint_whatever_it_asks_for(road: World, receiver: Receiver) -> None:
    """One that fails is tried again, in its own order: not before, and not instead of, a conversation's."""
    one = add(road, receiver, "/a", events=("conversation.created",), filter=Filter(channels=("telegram",)))
    add(road, receiver, "/b")
    receiver.answers["/a"] = failing(2)
    with telling(road):
        for number in range(2):
            road.log.append([encode(own_events.test(one, f"test-{number}", now_ms(), 1))], 5)
        wait_for(lambda: len(receiver.told) == 2)
        wait_for(lambda: not road.store.waiting(LANE))
        wait_for(lambda: len(road.store.webhook_calls("a", 9)) == 4)
    assert [(path, said["id"]) for path, said in receiver.told] == [("/a", public_event_id("", f"test-{n}")) for n in range(2)]
    assert {each.manual for each in road.store.webhook_calls("a", 9)} == {"test"}


def test_an_endpoint_that_is_down_is_one_waiter(road: World, receiver: Receiver) -> None:
    """However many conversations there are; when it is back all is told in order, and once."""
    add(road, receiver, "/a")
    up = [False]
    receiver.answers["/a"] = lambda _: (200 if up[0] else 503, {})
    conversations = [new_id("conversation", number) for number in range(60)]
    with telling(road):
        for number, each in enumerate(conversations):
            say(road, each, 3, first=number * 3)
        wait_for(lambda: any(row.conversation_id == "" for row in road.store.waiting(LANE)))
        wait_for(lambda: road.store.lanes([LANE])[LANE].cursor == road.log.ends("chat-events")[0][1])
        assert len(road.store.waiting(LANE)) < 20
        up[0] = True
        wait_for(lambda: len(receiver.of("/a")) == 180, 40)
        wait_for(lambda: not road.store.waiting(LANE))
    for each in conversations:
        assert receiver.of("/a", each) == sorted(receiver.of("/a", each))
    assert set(ids(receiver, "/a").values()) == {1}


def test_one_that_hangs_slows_no_other(road: World, receiver: Receiver) -> None:
    """While one endpoint answers nothing the other hears all at once."""
    add(road, receiver, "/a")
    add(road, receiver, "/hangs")

    def hangs(_: Any) -> Any:
        time.sleep(3)
        return 200, {}

    receiver.answers["/hangs"] = hangs
    with telling(road):
        for number in range(20):
            say(road, new_id("conversation", number), 1, first=number)
        began = time.monotonic()
        wait_for(lambda: len(receiver.of("/a")) == 20)
        assert time.monotonic() - began < 2


def test_who_comes_later_hears_from_then_on(road: World, receiver: Receiver) -> None:
    """Not what was said before, and all that was said after, though the runner looks only once a second."""
    add(road, receiver, "/a")
    with telling(road):
        say(road, ONE, 5)
        wait_for(lambda: len(receiver.of("/a")) == 5)
        add(road, receiver, "/b")
        say(road, ONE, 5, first=5)
        wait_for(lambda: len(receiver.of("/b")) == 5)
    assert receiver.of("/b") == receiver.of("/a")[5:]


def test_who_is_enabled_again_begins_now(road: World, receiver: Receiver) -> None:
    """What was said meanwhile is not told."""
    add(road, receiver, "/a")
    add(road, receiver, "/b")
    with telling(road):
        say(road, ONE, 2)
        wait_for(lambda: len(receiver.of("/b")) == 2)
        change(road, "b", status="disabled")
        time.sleep(1.3)
        say(road, ONE, 3, first=2)
        wait_for(lambda: len(receiver.of("/a")) == 5)
        change(road, "b", status="enabled", starts={0: road.log.ends("chat-events")[0][1]})
        say(road, ONE, 2, first=5)
        wait_for(lambda: len(receiver.of("/b")) == 4)
    assert receiver.of("/b") == receiver.of("/a")[:2] + receiver.of("/a")[5:]


def test_the_next_holder_goes_on(road: World, receiver: Receiver) -> None:
    """What a holder that vanished left is told by the next one, in order."""
    add(road, receiver, "/a")
    say(road, ONE, 10)
    assert road.store.swap_lease(LANE, Lease(), Lease("elsewhere/1/1", 7, 0))
    with telling(road) as runner:
        wake(road, runner)
        wait_for(lambda: len(receiver.of("/a")) == 10)
    assert receiver.of("/a") == sorted(receiver.of("/a"))
    with telling(road):
        say(road, ONE, 2, first=10)
        wait_for(lambda: len(receiver.of("/a")) == 12)
    assert set(ids(receiver, "/a").values()) == {1}


def test_what_waits_is_told_by_who_follows_a_holder_whose_cursor_was_not_kept(road: World, receiver: Receiver) -> None:
    """A conversation waits, another goes on; the next holder reads all of it again, and passes over nothing that waits."""
    add(road, receiver, "/a")
    is_well = False
    receiver.answers["/a"] = lambda said: (200 if is_well or said.get("conversation_id") == TWO else 500, {})
    with road.faults.instead("raise_cursor", lambda *_: None), telling(road):
        say(road, TWO, 3)
        say(road, ONE, 3, first=3)
        say(road, TWO, 3, first=6)
        wait_for(lambda: len(receiver.of("/a", TWO)) == 6)
        wait_for(lambda: road.store.waiting(LANE))
        time.sleep(0.5)
    is_well = True

    def late(*given: Any) -> Any:
        time.sleep(0.5)
        return road.log_faults.real.follow(*given)

    # What waits is due before the log is read.
    with road.log_faults.instead("follow", late), telling(road):
        wait_for(lambda: len(set(receiver.of("/a", ONE))) == 3)
    assert receiver.of("/a", ONE) == sorted(receiver.of("/a", ONE))


def test_what_a_stage_publishes_again_is_told_once(road: World, receiver: Receiver) -> None:
    """A rerun publishes the same messages at new offsets; now, and under the next holder."""
    add(road, receiver, "/a")
    with telling(road):
        say(road, ONE, 5)
        wait_for(lambda: len(receiver.of("/a")) == 5)
        republish(road)
        say(road, ONE, 1, first=5)
        wait_for(lambda: len(receiver.of("/a")) == 6)
    republish(road)
    with telling(road):
        say(road, ONE, 1, first=6)
        wait_for(lambda: len(receiver.of("/a")) == 7)
    assert set(ids(receiver, "/a").values()) == {1}


def republish(road: World) -> None:
    """As a stage that died before it raised progress does."""
    spans = road.everything("chat-events").ranges
    publish(road.log, [decode(each) for each in road.log.read("chat-events", spans, 5)])


def state(road: World, status: str, late_ms: int = 0) -> None:
    """Publish how far a delivery of the first conversation has come, learned so long ago."""
    told = pb.StateEvent(message_id="m", conversation_id=ONE, seq=1, recipient="p", channel="whatsapp", state=status)
    event = pb.Event(event_id=f"m-{status}", at_ms=now_ms() - late_ms, state=told)
    key = str(DeliveryKey(Lane("whatsapp", 0), 1, 0))
    body, rank = event.SerializeToString(), RANK[State(status)]
    publish(road.log, [Event("state", ONE, 0, body, subject=key, rank=rank)])


def states(receiver: Receiver) -> list[str]:
    return [said["data"]["state"] for _, said in list(receiver.told) if said["type"] == "delivery.updated"]


def test_no_state_falls_under_the_next_holder(road: World, receiver: Receiver) -> None:
    """An older one that comes after the lane changed hands is not told, be it live or waited for by a conversation."""
    add(road, receiver, "/a")
    with telling(road):
        state(road, "SENT")
        state(road, "READ")
        wait_for(lambda: states(receiver) == ["SENT", "READ"])
    refused = failing(1)
    receiver.answers["/a"] = refused
    state(road, "DELIVERED")
    say(road, ONE, 1)
    with telling(road):
        wait_for(lambda: len(receiver.of("/a")) == 1)
    assert states(receiver) == ["SENT", "READ"]


def test_no_state_falls_in_a_second_reading(road: World, receiver: Receiver) -> None:
    """A conversation that waits when the lane changes hands is read again from the log, with what was dropped there."""
    add(road, receiver, "/a")
    with telling(road):
        state(road, "READ")
        wait_for(lambda: states(receiver) == ["READ"])
        down = [True]
        receiver.answers["/a"] = lambda _: (503 if down[0] else 200, {})
        say(road, ONE, 1)
        wait_for(lambda: road.store.waiting(LANE))
        state(road, "SENT")
        wait_for(lambda: road.store.lanes([LANE])[LANE].cursor == road.log.ends("chat-events")[0][1])
    down[0] = False
    with telling(road):
        say(road, ONE, 1, first=1)
        wait_for(lambda: len(receiver.of("/a")) == 2)
        wait_for(lambda: not road.store.waiting(LANE))
    assert states(receiver) == ["READ"]


def test_a_recovery_tells_again_with_the_same_ids(road: World, receiver: Receiver) -> None:
    """All of a range, in order, beside what is live."""
    add(road, receiver, "/a")
    with telling(road):
        say(road, ONE, 5)
        wait_for(lambda: len(receiver.of("/a")) == 5)
        road.store.add_recoveries([Recovery("r", "a", 0, 0, road.log.ends("chat-events")[0][1])])
        wait_for(lambda: len(receiver.of("/a")) == 10)
        wait_for(lambda: not road.store.recoveries(0))
    assert receiver.of("/a")[5:] == receiver.of("/a")[:5]
    assert set(ids(receiver, "/a").values()) == {2}


def test_a_recovery_tells_conversations_beside_each_other(road: World, receiver: Receiver) -> None:
    """Each in order; one that is slow holds back no other; and of a live event's places some are left."""
    add(road, receiver, "/a")
    talks = [new_id("talk", number) for number in range(9)]
    with telling(road):
        road.say(*(message(talk, 3 * place + number) for place, talk in enumerate(talks) for number in range(3)))
        road.run()
        wait_for(lambda: len(receiver.of("/a")) == 27)
        under_way, most, lock = set[str](), [0], threading.Lock()

        def slowly(said: Any) -> Any:
            with lock:
                assert said["conversation_id"] not in under_way
                under_way.add(said["conversation_id"])
                most[0] = max(most[0], len(under_way))
            time.sleep(0.02)
            with lock:
                under_way.discard(said["conversation_id"])
            return 200, {}

        receiver.answers["/a"] = slowly
        road.store.add_recoveries([Recovery("r", "a", 0, 0, road.log.ends("chat-events")[0][1])])
        wait_for(lambda: not road.store.recoveries(0))
    assert 2 <= most[0] <= 4
    for talk in talks:
        seqs = receiver.of("/a", talk)
        assert (len(seqs), seqs[3:]) == (6, seqs[:3])


def test_a_conversation_that_fails_in_a_recovery_holds_back_no_other(tmp_path: Path, receiver: Receiver) -> None:
    """Each event is told once more, in its order, whichever are refused how often; what has had all its tries is left out."""
    with world(tmp_path, partitions=1, webhook_schedule_scale=1e-5) as road:
        add(road, receiver, "/a")
        with telling(road, given_up_s=1e9):
            road.say(*(message(talk, 4 * place + number) for place, talk in enumerate((ONE, TWO)) for number in range(4)))
            road.run()
            wait_for(lambda: len(receiver.of("/a")) == 8)
            bad, left = receiver.of("/a", ONE)[1], {receiver.of("/a", TWO)[2]: 3}
            receiver.told.clear()

            def sometimes(said: Any) -> Any:
                left[said["seq"]] = left.get(said["seq"], 0) - 1
                return (500 if said["seq"] == bad or left[said["seq"]] >= 0 else 200), {}

            receiver.answers["/a"] = sometimes
            road.store.add_recoveries([Recovery("r", "a", 0, 0, road.log.ends("chat-events")[0][1])])
            wait_for(lambda: not road.store.recoveries(0), 30)
        one, two = receiver.of("/a", ONE), receiver.of("/a", TWO)
    assert (len(one), one, len(two), two) == (3, sorted(one), 4, sorted(two))
    assert bad not in one


def test_an_event_that_had_all_its_tries_is_a_dead_letter(tmp_path: Path, receiver: Receiver) -> None:
    """The next one of its conversation goes."""
    # On a slow machine all tries may take longer than the days after which an endpoint is disabled.
    with world(tmp_path, partitions=1, webhook_schedule_scale=1e-5) as road:
        add(road, receiver, "/a")
        first: list[int] = []

        def answer(said: Any) -> Any:
            first[:] = first or [said["seq"]]
            return (500 if said["seq"] == first[0] else 200), {}

        receiver.answers["/a"] = answer
        with telling(road, given_up_s=1e9):
            say(road, ONE, 2)
            wait_for(lambda: [each.stage for each in road.store.dead_letters(day_of(now_ms()), 10)] == ["webhook"])
            wait_for(lambda: len(receiver.of("/a")) == 1)


def test_a_proxy_takes_every_call(tmp_path: Path, receiver: Receiver) -> None:
    """It is connected to wherever it is, and the endpoint is not."""
    with world(tmp_path, partitions=1, webhook_proxy=receiver.url) as road:
        add(road, receiver, "/a")
        change(road, "a", url="http://localhost:9/hook")
        with telling(road):
            say(road, ONE, 1)
            wait_for(lambda: receiver.told)
    assert {path for path, _ in receiver.told} == {"http://localhost:9/hook"}


def test_filters_choose(road: World, receiver: Receiver) -> None:
    """An endpoint of one conversation hears of no other."""
    add(road, receiver, "/a", filter=Filter(conversations=(TWO,)), events=("message.accepted",))
    with telling(road):
        say(road, ONE, 3)
        say(road, TWO, 3, first=3)
        wait_for(lambda: len(receiver.of("/a")) == 3)
    assert {said["conversation_id"] for _, said in receiver.told} == {TWO}


def test_labels_choose(road: World, receiver: Receiver) -> None:
    """Live, when it is tried again, and in a recovery: what has the label when it is told."""
    road.store.change_handling(TWO, lambda old: replace(old, version=old.version + 1, labels=("vip",), changed_at=now_ms()))
    add(road, receiver, "/a", filter=Filter(labels=("vip", "new")))
    receiver.answers["/a"] = failing(1)
    with telling(road):
        say(road, ONE, 2)
        say(road, TWO, 3, first=2)
        wait_for(lambda: len(receiver.of("/a")) == 3)
        wait_for(lambda: not road.store.waiting(LANE))
        road.store.add_recoveries([Recovery("r", "a", 0, 0, road.log.ends("chat-events")[0][1])])
        wait_for(lambda: len(receiver.of("/a")) == 6)
        wait_for(lambda: not road.store.recoveries(0))
    assert {said["conversation_id"] for _, said in receiver.told} == {TWO}


def test_accounts_choose(road: World, receiver: Receiver) -> None:
    """What is said of deliveries too: one that a channel sends from its account of the environment."""
    account = LiveChannels(road.parts.settings, road.store, every_s=0)["whatsapp"].account.account_id
    add(road, receiver, "/a", filter=Filter(accounts=(account,)))
    add(road, receiver, "/b", filter=Filter(accounts=("another",)))
    road.know(whatsapp(1))
    with telling(road):
        say(road, ONE, 1)
        road.say(message(TWO, 9, to=[whatsapp(1)]))
        road.run()
        [row] = road.rows()
        publish(road.log, [state_event(row.seen(Facts(sent_at=1)), now_ms(), 1)])
        wait_for(lambda: len(receiver.told) == 2)
        wait_for(lambda: road.store.lanes([LANE])[LANE].cursor == road.log.ends("chat-events")[0][1])
    assert [(path, said["type"], said["conversation_id"]) for path, said in receiver.told] == [
        ("/a", "message.accepted", TWO),
        ("/a", "delivery.updated", TWO),
    ]


def test_what_a_provider_sent_is_sent_on_as_it_was(road: World, receiver: Receiver) -> None:
    """To who asks for it by name and whose filter it passes, live and in a recovery, however often one is refused."""
    add(road, receiver, "/raw", events=(PROVIDER, "message.accepted"))
    add(road, receiver, "/telegram", events=(PROVIDER,), filter=Filter(channels=("telegram",)))
    add(road, receiver, "/other", events=(PROVIDER,), filter=Filter(accounts=("2",), channels=("whatsapp",)))
    add(road, receiver, "/all")
    add(road, receiver, "/labels", events=(PROVIDER,), filter=Filter(labels=("vip",)))
    receiver.answers["/raw"] = failing(1)
    bodies = [f'{{"n": {number} }} '.encode() for number in range(3)]
    signature = {"content-type": "text/json", "x-hub-signature-256": "sha256=1"}
    said = [forwarded_event(ProviderCall("whatsapp", "1", signature, each), now_ms(), 1) for each in bodies]
    with telling(road):
        publish(road.log, [each for each in said if each])
        say(road, ONE, 1)
        wait_for(lambda: len([path for path, _ in receiver.told if path == "/raw"]) == 4)
        road.store.add_recoveries([Recovery("r", "raw", 0, 0, road.log.ends("chat-events")[0][1])])
        wait_for(lambda: len([path for path, _ in receiver.told if path == "/raw"]) == 8)
    raw = [(body, headers) for body, headers in zip(receiver.bodies, receiver.headers, strict=True) if body in bodies]
    assert {body for body, _ in raw} == set(bodies)
    assert {path for path, said in receiver.told if "n" in said} == {"/raw"}
    for body, headers in raw:
        assert headers["webhook-id"] == forwarded_id(ProviderCall("whatsapp", "1", signature, body))
        assert (headers["Webhook-Channel"], headers["Webhook-Account"]) == ("whatsapp", "1")
        assert (headers["Content-Type"], headers["X-Hub-Signature-256"]) == ("text/json", "sha256=1")


def events_of(receiver: Receiver, path: str) -> list[dict[str, Any]]:
    """Each event that this path took, in order; those of batches too."""
    told = [said for where, said in receiver.told if where == path]
    return [each for said in told for each in (said["data"]["events"] if said["type"] == "webhook.batch" else [said])]


def test_who_agreed_to_it_is_told_several_at_once_while_behind(road: World, receiver: Receiver) -> None:
    """In order in each conversation, each once, 20 in a request at most; the log of calls has it; others hear one by one."""
    add(road, receiver, "/a", batch=20)
    add(road, receiver, "/b")
    say(road, ONE, 30)
    say(road, TWO, 30, first=30)
    with telling(road):
        wait_for(lambda: len(events_of(receiver, "/a")) == len(events_of(receiver, "/b")) == 60)
        wait_for(lambda: not road.store.waiting(LANE))
        wait_for(lambda: sum(1 + len(each.more) for each in road.store.webhook_calls("a", 99)) == 60)
    for talk in (ONE, TWO):
        seqs = [each["seq"] for each in events_of(receiver, "/a") if each["conversation_id"] == talk]
        assert seqs == sorted(set(seqs))
        assert len(seqs) == 30
    batches = [said for path, said in receiver.told if path == "/a" and said["type"] == "webhook.batch"]
    assert max(len(each["data"]["events"]) for each in batches) == 20
    assert sum(path == "/a" for path, _ in receiver.told) < 20
    assert {said["type"] for path, said in receiver.told if path == "/b"} == {"message.accepted"}
    assert [each["id"] for each in events_of(receiver, "/a") if each in events_of(receiver, "/b")]
    for said, headers in zip([said for _, said in receiver.calls], receiver.headers, strict=True):
        assert headers["webhook-id"] == said["id"]


@pytest.mark.parametrize("asks_s", ["", "0.1"])
def test_a_batch_that_is_refused_is_told_event_by_event(road: World, receiver: Receiver, asks_s: str) -> None:
    """Live, and when it is read again: the event that is refused holds up its own conversation alone, and the rest goes on."""
    add(road, receiver, "/a", batch=20)
    conversations = [new_id("conversation", number) for number in range(5)]
    bad, left = conversations[2], [1]

    def answer(said: dict[str, Any]) -> Any:
        events = said["data"]["events"] if said["type"] == "webhook.batch" else [said]
        if any(each["conversation_id"] == bad for each in events) and (len(events) > 1 or left[0] > 0):
            left[0] -= len(events) == 1
            return 500, {"Retry-After": asks_s} if asks_s else {}
        return 200, {}

    receiver.answers["/a"] = answer
    for number, each in enumerate(conversations):
        say(road, each, 25, first=number * 25)
    with telling(road):
        wait_for(lambda: len({each["id"] for each in events_of(receiver, "/a")}) == 125, 40)
        wait_for(lambda: not road.store.waiting(LANE))
    told = events_of(receiver, "/a")
    for each in conversations:
        seqs = [said["seq"] for said in told if said["conversation_id"] == each]
        assert seqs == sorted(set(seqs))
    assert any(said["type"] == "webhook.batch" for _, said in receiver.told)


def test_a_test_and_what_a_provider_sent_go_by_themselves(road: World, receiver: Receiver) -> None:
    """However far an endpoint is behind."""
    one = add(road, receiver, "/a", batch=20, events=(PROVIDER, "message.accepted"))
    say(road, ONE, 5)
    road.log.append([encode(own_events.test(one, "test", now_ms(), 1))], 5)
    provider_call = forwarded_event(ProviderCall("whatsapp", "1", {}, b"{}"), now_ms(), 1)
    assert provider_call is not None
    publish(road.log, [provider_call])
    say(road, TWO, 5, first=5)
    with telling(road):
        wait_for(lambda: sum(len(said.get("data", {}).get("events", [said])) for _, said in receiver.told) == 12)
    assert {said["type"] for _, said in receiver.told if "type" in said} == {"webhook.test", "webhook.batch"}
    assert {} in [said for _, said in receiver.told]


def test_nothing_is_held_where_nobody_listens(road: World, receiver: Receiver) -> None:
    """Woken without an enabled endpoint it takes no lane and reads no event."""
    say(road, ONE, 3)
    with telling(road) as runner:
        time.sleep(0.5)
        wake(road, runner)
        time.sleep(0.3)
        assert LANE not in road.store.lanes()


def test_reading_goes_on_whatever_fails(road: World, receiver: Receiver) -> None:
    """The log is away when it is followed, or something fails that nobody foresaw: the thread that reads lives on."""
    follow, failures = road.log_faults.real.follow, [Temporary("log_unreachable"), RuntimeError("nobody foresaw it")]

    def failing_follow(*given: Any) -> Any:
        if failures:
            raise failures.pop()
        return follow(*given)

    road.log_faults.answer("follow", failing_follow)
    add(road, receiver, "/a")
    with telling(road):
        say(road, ONE, 3)
        wait_for(lambda: len(receiver.of("/a")) == 3)
    assert failures == []


def test_a_record_that_is_no_event_is_passed_over(road: World, receiver: Receiver) -> None:
    """Bytes that nobody can read hold up nothing that follows them."""
    add(road, receiver, "/a")
    bad = {"kind": "state", "conversation": ONE, "delivery": "x", "rank": "1"}
    with telling(road):
        road.log.append([NewRecord("chat-events", 0, ONE, b"\xff\xff\xff", bad)], 5.0)
        say(road, ONE, 3)
        wait_for(lambda: len(receiver.of("/a")) == 3)
        wait_for(lambda: road.store.lanes([LANE])[LANE].cursor == road.log.ends("chat-events")[0][1])
