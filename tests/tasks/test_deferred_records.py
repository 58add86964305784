"""Deferred records are appended when they are due, whoever dies over it, and what was cancelled in time is not."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deferred_records import CANCELLED, CLAIM_MS, REFUSED, RELEASED, RELEASING, WAITING, DeferredRecord
from chat4all.model.failures import Temporary
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, REGISTRY
from tasks.deferred_records import DeferredRunner, Release, Releaser
from tests.tasks.world import World, world

KIND = "some"


class Fake(Releaser):
    """Notes what it appended. `fails`: what it raises; `dies_after`: what it raises when it has appended all the same."""

    def __init__(self) -> None:
        self.appended: list[str] = []
        self.fails: Exception | None = None
        self.dies_after: Exception | None = None
        self.refuses: dict[str, str] = {}

    def release(self, records: Sequence[DeferredRecord]) -> list[Release]:
        if self.fails:
            raise self.fails
        self.appended += [each.record_id for each in records if each.record_id not in self.refuses]
        if self.dies_after:
            raise self.dies_after
        return [Release(self.refuses.get(each.record_id, "")) for each in records]


class Desk:
    """A runner over a store, with records of one kind."""

    def __init__(self, road: World) -> None:
        self.road, self.fake = road, Fake()
        self.runner = DeferredRunner(road.parts, {KIND: self.fake})

    def put(self, *names: str, due_at: int = 1) -> None:
        assert all(self.road.store.put_deferred_records([DeferredRecord(each, KIND, due_at, {}, 1) for each in names]))

    def look(self) -> None:
        """A sweep, and what it began."""
        thread = self.runner.sweep()
        if thread:
            thread.join(10)

    def state(self, name: str) -> str:
        return self.road.store.deferred_records([name])[name].state

    def aged(self, name: str) -> None:
        """Have it be taken some time ago."""
        there = self.road.store.deferred_records([name])[name]
        older = replace(there, version=there.version + 1, changed_at=there.changed_at - CLAIM_MS)
        assert self.road.store.put_deferred_records([older]) == [True]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with world(tmp_path) as road:
        yield Desk(road)


def test_what_is_due_is_appended_and_what_is_not_waits(desk: Desk) -> None:
    """Once; the next look finds nothing."""
    desk.put("due", "too")
    desk.put("later", due_at=now_ms() + 60_000)
    desk.look()
    desk.look()
    assert sorted(desk.fake.appended) == ["due", "too"]
    assert (desk.state("due"), desk.state("later")) == (RELEASED, WAITING)


def test_what_is_refused_ends_with_its_reason(desk: Desk) -> None:
    """It does not come again, and holds nobody else up."""
    desk.put("bad", "good")
    desk.fake.refuses = {"bad": "not_a_member"}
    desk.look()
    desk.look()
    assert (desk.state("good"), desk.state("bad")) == (RELEASED, REFUSED)
    assert desk.road.store.deferred_records(["bad"])["bad"].why == "not_a_member"


@pytest.mark.parametrize("failure", [Temporary("log"), RuntimeError("unforeseen")])
def test_in_an_outage_it_comes_again(desk: Desk, failure: Exception) -> None:
    """Not at once: whoever took it may still be at it. How late it is shows meanwhile."""
    desk.put("due")
    desk.fake.fails = failure
    desk.look()
    desk.fake.fails = None
    desk.look()
    assert (desk.fake.appended, desk.state("due")) == ([], RELEASING)
    assert desk.runner.late()[KIND,] > 60
    desk.aged("due")
    desk.look()
    assert (desk.fake.appended, desk.state("due")) == (["due"], RELEASED)


def test_who_dies_after_the_append_leaves_it_to_the_next(desk: Desk) -> None:
    """It is appended again: it is one record by its id. It could not be cancelled meanwhile."""
    desk.put("due")
    desk.fake.dies_after = RuntimeError("killed")
    desk.look()
    there = desk.road.store.deferred_records(["due"])["due"]
    with pytest.raises(ValueError, match=RELEASING):
        there.to(CANCELLED, now_ms())
    desk.fake.dies_after = None
    desk.aged("due")
    desk.look()
    assert (desk.fake.appended, desk.state("due")) == (["due", "due"], RELEASED)


def test_two_workers_append_each_record_once(desk: Desk) -> None:
    """Who has it taken has it for itself."""
    names = [f"r{number}" for number in range(40)]
    desk.put(*names)
    others = [DeferredRunner(desk.road.parts, {KIND: desk.fake}) for _ in range(4)]
    due = desk.road.store.due_records(KIND, now_ms(), 100)
    threads = [threading.Thread(target=each.release, args=(KIND, due), daemon=True) for each in others]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert Counter(desk.fake.appended) == Counter(names)


def test_a_cancellation_and_a_release_never_both_win(desk: Desk) -> None:
    """Whoever comes first, in whatever order: what was cancelled is not appended, what is appended is not cancelled."""

    @given(st.permutations(["cancel", "look", "look"]))
    def run(steps: Sequence[str]) -> None:
        name = f"r{len(desk.fake.appended)}-{now_ms()}-{threading.get_ident()}-{id(steps)}"
        desk.put(name)
        for step in steps:
            if step == "look":
                desk.look()
                continue
            there = desk.road.store.deferred_records([name])[name]
            if there.state == WAITING:
                desk.road.store.put_deferred_records([there.to(CANCELLED, now_ms())])
        assert (desk.state(name) == CANCELLED) is (name not in desk.fake.appended)

    run()


def test_what_became_of_records_is_counted(desk: Desk) -> None:
    """Each once, by kind and how it ended."""

    def counted(state: str) -> float:
        return REGISTRY.get_sample_value("chat4all_deferred_records_total", {"kind": KIND, "outcome": state}) or 0.0

    before = {state: counted(state) for state in (RELEASED, REFUSED)}
    desk.put("done", "refused")
    desk.fake.refuses["refused"] = "why"
    desk.look()
    desk.look()
    assert {state: counted(state) - number for state, number in before.items()} == {RELEASED: 1, REFUSED: 1}


def test_nobody_is_late_once_it_is_done(desk: Desk) -> None:
    """By kind; a runner that has not looked says nothing."""
    assert desk.runner.late() == {}
    desk.put("due")
    desk.look()
    desk.look()
    assert desk.runner.late() == {(KIND,): 0.0}
    assert READERS[metrics.DEFERRED_RECORDS_LATE]() == {(KIND,): 0.0}


def test_how_many_wait_is_counted_once_a_minute(desk: Desk) -> None:
    """By kind; while the store is away the last figure stands, and a runner that has not looked says nothing."""
    assert desk.runner.waiting() == {}
    desk.put("one", "two", due_at=now_ms() + 60_000)
    desk.look()
    desk.put("three", due_at=now_ms() + 60_000)
    desk.look()
    assert READERS[metrics.DEFERRED_RECORDS_WAITING]() == {(KIND,): 2}
