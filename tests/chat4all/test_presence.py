"""Who is there: whatever processes and listeners go through, in the end all who listen say the same, and it is true."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chat4all.model.presence import BEAT_S, GRACE_S, SILENT_S, WHOLE_S, Change, Present, Readers, Report

USERS = ("ana", "bob", "carl")
TICK = 5.0


class Processes(RuleBasedStateMachine):
    """Stream processes whose readers come and go, that are killed, and whose reports are lost; two who listen, one late."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.made = 0
        self.living: dict[str, Readers] = {}
        self.streams: dict[str, list[str]] = {}
        self.listeners = [Present()]
        self.shown: dict[str, bool] = {}
        self.log: list[tuple[Report, int]] = []
        self.hidden: set[str] = set()

    @initialize()
    def begin(self) -> None:
        """One is there from the beginning."""
        self.started()

    @precondition(lambda self: len(self.living) < 3)
    @rule()
    def started(self) -> None:
        """A process more."""
        self.made += 1
        name = f"p{self.made}"
        self.living[name], self.streams[name] = Readers(name), []

    @precondition(lambda self: self.living)
    @rule(chosen=st.data())
    def killed(self, chosen: st.DataObject) -> None:
        """Without a word."""
        name = chosen.draw(st.sampled_from(sorted(self.living)))
        del self.living[name], self.streams[name]

    @precondition(lambda self: self.living)
    @rule(chosen=st.data(), user=st.sampled_from(USERS))
    def opened(self, chosen: st.DataObject, user: str) -> None:
        """Somebody comes."""
        name = chosen.draw(st.sampled_from(sorted(self.living)))
        self.living[name].opened(user)
        self.streams[name].append(user)

    @precondition(lambda self: any(self.streams.values()))
    @rule(chosen=st.data())
    def closed(self, chosen: st.DataObject) -> None:
        """Somebody goes."""
        name, user = chosen.draw(st.sampled_from([(name, user) for name, users in self.streams.items() for user in users]))
        self.living[name].closed(user, self.now, int(self.now * 1000))
        self.streams[name].remove(user)

    @rule(user=st.sampled_from(USERS))
    def wishes(self, user: str) -> None:
        """Somebody wishes to be hidden, or no longer."""
        self.hidden ^= {user}
        for each in self.living.values():
            each.changed_mind(user)

    @rule(lost=st.booleans())
    def passes(self, *, lost: bool) -> None:
        """Some time goes by; what is said then may not arrive, which whoever says it knows, or believes."""
        self.now += TICK
        for each in self.living.values():
            asked = each.to_ask
            reports = each.reports(asked, self.hidden.intersection(asked), self.now)
            if reports and lost:
                each.not_heard()
                reports = reports[: self.made % 2]
            for report in reports:
                self.log.append((report, int(self.now * 1000)))
                self.told(self.listeners[0].hear(report, int(self.now * 1000), self.now))
        self.told(self.listeners[0].silent(self.now))

    def told(self, changes: list[Change]) -> None:
        """The first listener's changes are told on."""
        for change in changes:
            assert self.shown.get(change.user_id, False) != change.online, "told only what is new"
            self.shown[change.user_id] = change.online

    @invariant()
    def what_was_told_is_what_is_known(self) -> None:
        """Whoever hears the changes knows what the listener knows."""
        assert {user for user, online in self.shown.items() if online} == {
            user for user in USERS if self.listeners[0].is_online(user)
        }

    def teardown(self) -> None:
        """All calms down: then everybody knows what is true, also who reads it all afterwards."""
        for _ in range(int((GRACE_S + SILENT_S + WHOLE_S) / TICK) + 2):
            self.passes(lost=False)
        true = {user for users in self.streams.values() for user in users} - self.hidden
        late = Present()
        for report, at in self.log:
            late.hear(report, at, self.now, self.now - at / 1000)
        late.silent(self.now)
        for listener in (self.listeners[0], late):
            assert {user for user in USERS if listener.is_online(user)} == true
            assert listener.online == len(true)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=60, stateful_step_count=40)


def test_a_reader_who_stays_costs_nothing() -> None:
    """With 10,000 readers a process says that it lives, and nothing else; all of them again once in some minutes."""
    readers = Readers("p")
    for number in range(10_000):
        readers.opened(f"user{number}")
    first = readers.reports(readers.to_ask, set(), 0.0)
    assert sum(len(each.came) for each in first) == 10_000
    said = [readers.reports((), set(), each * BEAT_S) for each in range(1, int(WHOLE_S / BEAT_S))]
    assert said == [[Report("p")]] * len(said)
    assert sum(len(each.came) for each in readers.reports((), set(), WHOLE_S)) == 10_000


def test_without_readers_nothing_is_said() -> None:
    """Not even that the process lives; and who came and went at once was never there."""
    readers = Readers("p")
    assert readers.reports((), set(), 0.0) == []
    readers.opened("ana")
    readers.closed("ana", 1.0, 1_000)
    assert readers.reports(readers.to_ask, set(), 1_000.0) == []


@given(st.integers(0, 59))
def test_who_comes_back_soon_was_never_away(after_s: int) -> None:
    """Within the time that is granted; else they were last seen when their stream ended."""
    readers, present = Readers("p"), Present()
    readers.opened("ana")
    [report] = readers.reports(readers.to_ask, set(), 0.0)
    assert present.hear(report, 5, 0.0) == [Change("ana", True, 5)]
    readers.closed("ana", 1.0, 1_000)
    reports = readers.reports((), set(), 1.0 + after_s)
    changes = [change for each in reports for change in present.hear(each, 99_000, 1.0 + after_s)]
    assert changes == ([] if after_s < GRACE_S else [Change("ana", False, 1_000, 1_000)])
    assert present.is_online("ana") == (after_s < GRACE_S)


def test_a_silent_process_is_forgotten_by_the_clock_of_who_listens() -> None:
    """Whatever time its reports say; of what was read later, it counts how long ago it was said."""
    present = Present()
    present.hear(Report("wrong clock", ("ana",)), 10**15, 100.0)
    present.hear(Report("old", ("bob",)), 5, 100.0, age_s=50.0)
    assert present.silent(100.0) == [Change("bob", False, 5, 5)]
    assert present.silent(100.0 + SILENT_S) == []
    assert present.silent(100.1 + SILENT_S) == [Change("ana", False, 10**15, 10**15)]
