"""What a run came to is gathered whole: from phones, streams, histories and the store, and put before the judge as it is."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from chat4all.model.content import Text
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane
from ops.faults import outcome as gathering
from ops.faults.checker import check
from ops.faults.crowd import Talk
from ops.faults.history import Accepted, Arrival, Ended, Kept, Position, Resumed, Told
from ops.faults.outcome import Outcome
from ops.harness.readers import PositionSeen, Seen, StateSeen

IDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(4)]
PHONE = "whatsapp:+5511"


class Api:
    """A member's connection: what each conversation's history says, and how often it was asked."""

    def __init__(self, talks: dict[str, list[dict[str, Any]]]) -> None:
        self._talks = talks
        self.asked = 0

    def history(self, conversation_id: str) -> list[dict[str, Any]]:
        self.asked += 1
        return self._talks[conversation_id]


class Readers:
    """One reader, who was told everything."""

    def seen(self, wanted: Any) -> Sequence[Seen]:
        said = [Seen("amy", "c", 3, IDS[0], "hi", 20), Seen("amy", "c", 4, "of somebody else", "hello", 21)]
        return [each for each in said if wanted(each)]

    def states(self) -> list[tuple[str, StateSeen]]:
        return [("amy", StateSeen(IDS[0], "p", "whatsapp", "READ", "d7"))]

    def positions(self) -> list[tuple[str, PositionSeen]]:
        return [("amy", PositionSeen("c", "bob", 3, 3))]


class Phones:
    """Gives what arrived, from a place on, as the simulator does."""

    def __init__(self) -> None:
        self.all = [
            {"channel": "whatsapp", "to": "5511", "text": f"Bob: {IDS[0]}", "at": 10, "account": "1"},
            {"channel": "telegram", "to": "77", "text": "no id of ours", "at": 11, "account": "2"},
        ]
        self.asked: list[int] = []

    def sent(self, after: int = 0) -> list[dict[str, Any]]:
        self.asked.append(after)
        return self.all[after:]


def said(message_id: str, seq: int, status: str, **more: Any) -> dict[str, Any]:
    delivery = {"recipient": "p", "channel": "whatsapp", "status": status, "history": [{"status": "SENT"}], **more}
    payload = {"type": "text", "text": message_id}
    return {"message_id": message_id, "seq": seq, "payload": payload, "deliveries": [delivery]}


class World:
    """Everything that an outcome looks at."""

    def __init__(self) -> None:
        self.phones = Phones()
        self.talks = {"c": [said(IDS[0], 3, "READ"), said("of somebody else", 4, "SENT")], "files": []}
        self.amy = Api(self.talks)
        self.load = SimpleNamespace(
            accepted=[Accepted(IDS[0], "c", 0, frozenset({"amy", "bob"}), frozenset({PHONE}), 5, IDS[0])]
        )
        crowd = SimpleNamespace(talks=[Talk("c", "both", ("amy", "bob"), ("amy",))], people={"amy": self.amy, "bob": self.amy})
        place = SimpleNamespace(system=SimpleNamespace(phones=self.phones, settings=None))
        self.outcome = Outcome(place, crowd, self.load, Readers())  # type: ignore[arg-type]


def test_what_arrived_is_fetched_once_and_found_by_its_id() -> None:
    """Only what is new is asked for; numbers are written as people write them; what is not ours is left."""
    world = World()
    found = [Arrival(PHONE, "c", IDS[0], 10, f"Bob: {IDS[0]}", "1")]
    assert world.outcome.arrivals() == found
    world.phones.all.append({"channel": "whatsapp", "to": "+5512", "text": IDS[0], "at": 12, "account": "1"})
    assert world.outcome.arrivals() == [*found, Arrival("whatsapp:+5512", "c", IDS[0], 12, IDS[0], "1")]
    assert world.phones.asked == [0, 2]


def test_the_history_holds_all_of_it() -> None:
    """Also what nobody of the load said, since positions may lie there; files' conversations too; ends of ours only."""
    world = World()
    world.outcome.extra.append(Accepted(IDS[1], "files", 0, frozenset({"amy"}), file="f", text=IDS[1]))
    world.talks["files"] = [
        {"message_id": IDS[1], "seq": 9, "payload": {"type": "document", "file_id": "f", "caption": IDS[1]}, "deliveries": []}
    ]
    world.outcome.resumed.append(Resumed("amy again", [], []))
    found = world.outcome.history()
    assert found.ended == [Ended(IDS[0], "p", "whatsapp", "READ", "c", 3)]
    assert found.kept == {
        "c": [Kept(IDS[0], 3, IDS[0]), Kept("of somebody else", 4, "of somebody else")],
        "files": [Kept(IDS[1], 9, IDS[1], "f")],
    }
    assert found.told == [Told("amy", IDS[0], "p", "whatsapp", "READ", "d7")]
    assert found.positions == [Position("amy", "c", "bob", 3, 3)]
    assert found.seen == [Arrival("amy", "c", IDS[0], 20, "hi")]
    report = check(found)
    assert report.altered == [(IDS[0], "amy", "hi")]
    assert (IDS[0], "bob") in report.lost
    assert world.outcome.missing() == set(report.lost)
    assert world.outcome.missing(accepted_before=1) == {(IDS[1], "amy")}
    assert world.outcome.missing(accepted_before=0) == set()


def test_a_failure_says_why_and_that_it_was_one() -> None:
    """The reason is the history's; what had FAILED on the way may have been sent again by hand."""
    world = World()
    world.talks["c"] = [said(IDS[0], 3, "FAILED", reason="blocked", history=[{"status": "FAILED"}])]
    [ended] = world.outcome.ended()
    assert (ended.state, ended.reason, ended.refused) == ("FAILED", "blocked", True)


def test_ends_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation is asked again until its deliveries have ended, or the time is over."""
    world = World()
    world.talks["c"] = [said(IDS[0], 3, "DELIVERED")]
    monkeypatch.setattr("time.sleep", lambda _s: world.talks.update(c=[said(IDS[0], 3, "READ")]))
    assert world.outcome.has_ended(5)
    assert world.amy.asked == 2
    world.talks["c"] = [said(IDS[0], 3, "DELIVERED")]
    assert not world.outcome.has_ended(0)


def test_the_truth_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What readers were told last must become true in time."""
    world = World()
    world.load.accepted = [Accepted(IDS[0], "c", 0, frozenset({"amy"}), frozenset({PHONE}), 5, IDS[0])]
    world.talks["c"] = [said(IDS[0], 3, "DELIVERED")]
    monkeypatch.setattr("time.sleep", lambda _s: world.talks.update(c=[said(IDS[0], 3, "READ")]))
    assert world.outcome.is_told(5)
    world.talks["c"] = [said(IDS[0], 3, "DELIVERED")]
    assert not world.outcome.is_told(-1)


class Store:
    """Two rows, of which one was sent twice without knowing, and today's dead letters."""

    def __init__(self) -> None:
        self.closed = 0
        lane = Lane("whatsapp", 0)
        facts = Facts(attempts=2, attempted_at=77, resends=1)
        self.rows = [self._row(lane, 1, IDS[0], facts), self._row(lane, 2, IDS[1], Facts(attempted_at=50, resends=3))]

    def _row(self, lane: Lane, seq: int, message_id: str, facts: Facts) -> Delivery:
        return Delivery(DeliveryKey(lane, seq, 0), "c", message_id, "p", "+5511", Text("hi"), 1, facts=facts)

    def lanes(self) -> dict[Lane, Any]:
        return {Lane("whatsapp", 0): SimpleNamespace(fanned=3)}

    def lane_rows(self, _lane: Lane, _after: tuple[int, int], _fanned: int, _most: int) -> list[Delivery]:
        return self.rows

    def dead_letters(self, _day: str, _most: int) -> list[str]:
        return ["letter"]

    def close(self) -> None:
        self.closed += 1


def test_the_systems_own_count_is_read_from_its_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our messages only; the newest attempt is that of all; each time the store is let go."""
    world, store = World(), Store()
    monkeypatch.setattr(gathering, "open_store", lambda _settings: store)
    assert world.outcome.resends() == {(IDS[0], PHONE): 1}
    assert world.outcome.newest_attempt() == 77
    assert len(world.outcome.letters()) == 1
    assert store.closed == 3
