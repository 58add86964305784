"""Reports over REST: what counts as begun, answered, closed, on which day and for whom; pages, CSV, and who may ask."""

import csv
import io
from collections.abc import Iterable
from itertools import product
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, day_of, from_rfc3339, now_ms, rfc3339
from chat4all.model.content import Reaction, Text
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.deliveries import DeliveryKey, Facts
from chat4all.model.handling import Handling
from chat4all.model.messages import Message, Origin, Recipient
from chat4all.model.reports import Figures
from tests.contracts.test_message_store_changes import give_up
from tests.webapp.driver import Driver
from webapp.app import open_ports
from webapp.requests.bounds import Bounds

PEOPLE = ("carla", "dora")
CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}
DAY = from_rfc3339("2026-03-02", zone_needed=False)
SECOND = 1_000


class Desk:
    """Conversations of a day in the past, written into the store as the stages do."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.seq, self.day = driver, 0, DAY

    def talk(self, name: str, customer: str = "carla", at: int = DAY) -> str:
        """A conversation of a customer with the bot."""
        founded = Conversation(name, ConversationType.GROUP, "bot", at)
        self.driver.parts.store.add_conversations([(founded, [customer, "bot"])])
        return name

    def say(self, talk: str, sender: str, at: int, **fields: Any) -> None:
        """Somebody says something."""
        self.seq += 1
        said = Message(f"m{self.seq}", talk, sender, Text("x"), 1, at, seq=self.seq)
        self.driver.parts.store.put_messages([replace(said, **fields)])

    def handle(self, talk: str, at: int, **fields: Any) -> None:
        """The team does something with it."""

        def change(there: Handling) -> Handling:
            moved = there.moved(fields.get("state", there.state), at)
            seen = {"seen_up_to": self.seq} if fields.get("state") == "closed" else {}
            return replace(there, changed_at=at, changed_by="crm", **fields, **moved, **seen)

        self.driver.parts.store.change_handling(talk, change)

    def report(self, days: int = 1, first: int = DAY, **query: str) -> dict[tuple[str, ...], dict[str, float]]:
        """What is not 0 of the rows of all pages, by their names."""
        rows: dict[tuple[str, ...], dict[str, float]] = {}
        after, by = "", query.get("by", "day").split(",")
        while True:
            asked = {"since": rfc3339(first), "until": rfc3339(first + days * DAY_MS), "after": after, **query}
            answer = self.driver.ask("crm", "GET", f"/v1/reports/conversations?{urlencode(asked)}")
            for row in answer["rows"]:
                there = rows.setdefault(tuple(row.get(each, "") for each in by), {})
                for name in Figures.__struct_fields__:
                    if row[name]:
                        there[name] = there.get(name, 0) + row[name]
            if "next" not in answer:
                return rows
            after = answer["next"]


@pytest.fixture
def desk(gateway: Driver) -> Desk:
    return Desk(gateway)


def test_a_conversation_begins_is_answered_and_is_closed(desk: Desk) -> None:
    """Each on its own day, and with how long it took; only messages after the customer's are answers."""
    talk = desk.talk("a")
    desk.say(talk, "bot", DAY + SECOND)
    desk.say(talk, "carla", DAY + 10 * SECOND)
    desk.say(talk, "carla", DAY + 20 * SECOND)
    desk.say(talk, "bot", DAY + 40 * SECOND)
    desk.say(talk, "bot", DAY + DAY_MS)
    desk.handle(talk, DAY + DAY_MS + 10 * SECOND, state="closed")
    began = {"conversations": 1, "answered": 1, "answer_seconds": 30, "messages_in": 2, "messages_out": 2}
    ended = {"closed": 1, "resolution_seconds": DAY_MS / 1000, "messages_out": 1}
    assert desk.report() == {("2026-03-02",): began}
    assert desk.report(days=2) == {("2026-03-02",): began, ("2026-03-03",): ended}
    assert desk.report(first=DAY + DAY_MS) == {("2026-03-03",): ended}
    assert desk.report(first=DAY + 2 * DAY_MS) == {}


def test_one_that_was_closed_begins_anew(desk: Desk) -> None:
    """With what is said then; and what was closed and is open again is not closed."""
    talk = desk.talk("a")
    desk.say(talk, "carla", DAY + SECOND)
    desk.say(talk, "bot", DAY + 2 * SECOND)
    desk.handle(talk, DAY + 3 * SECOND, state="closed")
    assert desk.report()["2026-03-02",]["resolution_seconds"] == 2
    desk.say(talk, "carla", DAY + 100 * SECOND)
    desk.handle(talk, DAY + 100 * SECOND, state="open")
    desk.say(talk, "bot", DAY + 105 * SECOND)
    anew = {"conversations": 1, "answered": 1, "answer_seconds": 5, "messages_in": 2, "messages_out": 2}
    assert desk.report() == {("2026-03-02",): anew}
    desk.handle(talk, DAY + 107 * SECOND, state="closed")
    assert desk.report() == {("2026-03-02",): anew | {"closed": 1, "resolution_seconds": 7}}


def test_what_is_no_message_of_the_conversation_does_not_count(desk: Desk) -> None:
    """Notes, reactions, resends, and what was said before the account came: they neither begin nor answer."""
    talk = desk.talk("a")
    desk.say(talk, "carla", DAY + SECOND)
    old = Origin("whatsapp", "acc", "+55", "w1", DAY)
    for fields in (
        {"visibility": "internal"},
        {"payload": Reaction("x", "m1")},
        {"resend_of": 1},
        {"origin": old, "metadata": {"history": True}},
    ):
        desk.say(talk, "bot", DAY + 2 * SECOND, **fields)
    assert desk.report() == {("2026-03-02",): {"conversations": 1, "messages_in": 1}}


def test_rows_are_by_what_was_asked_for(desk: Desk) -> None:
    """Channel and account of the first message with one, agent of who did it, each label; or one row for all."""
    one, two = desk.talk("a"), desk.talk("b", "dora")
    desk.say(one, "carla", DAY + SECOND, origin=Origin("whatsapp", "acc", "+55", "w1", DAY))
    desk.say(one, "bot", DAY + 2 * SECOND)
    desk.say(two, "dora", DAY + SECOND)
    desk.handle(one, DAY + 3 * SECOND, state="closed", assignee="crm", labels=("vip", "x"))
    assert {key: row["messages_in"] for key, row in desk.report(by="channel,account").items()} == {
        ("whatsapp", "acc"): 1,
        ("chat4all", ""): 1,
    }
    by_agent = desk.report(by="agent")
    assert {key: set(row) for key, row in by_agent.items()} == {
        ("",): {"conversations", "messages_in"},
        ("bot",): {"answered", "answer_seconds", "messages_out"},
        ("crm",): {"conversations", "closed", "resolution_seconds", "messages_in"},
    }
    assert {key: row["conversations"] for key, row in desk.report(by="label").items()} == {("",): 1, ("vip",): 1, ("x",): 1}
    assert desk.report(by="")["",] == desk.report()["2026-03-02",]


def test_what_an_inbox_says_is_its_assignees(gateway: Driver) -> None:
    """Who answers through it speaks in its name."""
    talk = gateway.writes("whatsapp", "+5511999990000", "hi", "p1").conversation_id
    gateway.process()
    members = gateway.parts.store.memberships([talk])[talk].now()
    inbox = next(each for each in members if each.startswith("inbox") or "inbox" in each)
    gateway.send("crm", "hello", conversation_id=talk, sender=inbox)
    gateway.process()
    gateway.ask("crm", "PATCH", f"/v1/conversations/{talk}", {"assignee": "crm", "state": "closed"})
    today = from_rfc3339(day_of(now_ms()), zone_needed=False)
    found = Desk(gateway).report(first=today, days=2, by="agent,channel")
    assert {key: row.get("answered") for key, row in found.items()} == {("crm", "whatsapp"): 1}
    assert found["crm", "whatsapp"]["closed"] == 1


COSTS = ("deliveries", "billable", "billable_arrived")


def cost_rows(driver: Driver, path: str) -> dict[tuple[str, ...], tuple[int, ...]]:
    """The rows of all pages of a report of costs, added up."""
    found: dict[tuple[str, ...], tuple[int, ...]] = {}
    after = ""
    while True:
        page = driver.ask("crm", "GET", f"{path}&after={after}")
        for row in page["rows"]:
            key = tuple(value for name, value in row.items() if name not in COSTS)
            found[key] = tuple(map(sum, zip(found.get(key, (0, 0, 0)), (row[each] for each in COSTS), strict=True)))
        if "next" not in page:
            return found
        after = page["next"]


class Till:
    """Deliveries of a day, with what their provider said of them."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.desk = driver, Desk(driver)

    def send(self, talk: str, at: int, *accounts: str, **fields: Any) -> list[DeliveryKey]:
        """A message to somebody on WhatsApp from each of these accounts, accepted then; its deliveries."""
        people = tuple(Recipient("dora", "whatsapp", f"+55{n}", account=each) for n, each in enumerate(accounts))
        self.desk.say(talk, "bot", at, recipients=people, **fields)
        said = Message(f"m{self.desk.seq}", talk, "bot", Text("x"), 1, at, recipients=people, seq=self.desk.seq)
        rows = self.driver.rows(said)
        self.driver.parts.store.put_deliveries(rows)
        return [each.key for each in rows]

    def told(self, key: DeliveryKey, price: str, **facts: Any) -> None:
        """The provider says what it costs, and what became of it."""
        self.driver.parts.store.record({key: Facts(sent_at=1, provider_id="w", priced_at=2, price=price, **facts)})


@pytest.fixture
def till(gateway: Driver) -> Till:
    return Till(gateway)


def test_costs_are_summed_by_account_category_and_day(till: Till) -> None:
    """On the day of its acceptance, each delivery of which the provider said something: if it charges, and what arrived."""
    talk, other = till.desk.talk("a"), till.desk.talk("b", "dora")
    one, two = till.send(talk, DAY + SECOND, "sales", "")
    late = till.send(other, DAY + 2 * SECOND, "sales", "sales")[1]
    [next_day] = till.send(other, DAY + DAY_MS, "sales")
    till.told(one, "charged utility PMP", delivered_at=9)
    till.told(two, "free service PMP", read_at=9)
    till.told(late, "charged utility PMP")
    till.told(next_day, "charged marketing PMP", read_at=9)
    path = "/v1/reports/costs?since=2026-03-02&until=2026-03-04"
    assert cost_rows(till.driver, path) == {
        ("2026-03-02", "sales", "utility"): (2, 2, 1),
        ("2026-03-02", "whatsapp", "service"): (1, 0, 0),
        ("2026-03-03", "sales", "marketing"): (1, 1, 1),
    }
    assert cost_rows(till.driver, f"{path}&limit=1&by=channel") == {("whatsapp",): (4, 3, 2)}
    assert cost_rows(till.driver, "/v1/reports/costs?since=2026-03-03&until=2026-03-04&by=") == {(): (1, 1, 1)}
    table = till.driver.call("crm", "GET", f"{path}&format=csv&by=category").text
    assert next(iter(rows_of(table))) == {"category": "marketing", "deliveries": "1", "billable": "1", "billable_arrived": "1"}
    assert till.driver.refused("crm", "GET", f"{path}&by=agent") == ("invalid", "by")


def test_what_is_sent_again_costs_again(till: Till) -> None:
    """Each resend has a price of its own, and none is counted twice."""
    talk = till.desk.talk("a")
    [first] = till.send(talk, DAY + SECOND, "sales")
    [again] = till.send(talk, DAY + 2 * SECOND, "sales", resend_of=first.seq)
    till.driver.parts.store.record({first: Facts(resent_as=again.seq)})
    till.told(first, "charged utility PMP")
    till.told(again, "charged utility PMP", delivered_at=9)
    path = "/v1/reports/costs?since=2026-03-02&until=2026-03-03&by=category"
    assert cost_rows(till.driver, path) == {("utility",): (2, 2, 1)}


def test_what_deliveries_cost_outlasts_their_rows(till: Till) -> None:
    """Rows go by age; what is kept of them has the price."""
    [key] = till.send(till.desk.talk("a"), DAY + SECOND, "sales")
    till.told(key, "charged utility PMP", read_at=9)
    store = till.driver.parts.store
    path = "/v1/reports/costs?since=2026-03-02&until=2026-03-03&by=account_id"
    before = cost_rows(till.driver, path)
    give_up(open_ports(till.driver.parts.settings).store, key)
    assert not store.deliveries([key])
    assert cost_rows(till.driver, path) == before == {("sales",): (1, 1, 1)}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 9), minutes=st.lists(st.integers(0, 60), min_size=1, max_size=12))
def test_pages_add_up(desk: Desk, limit: int, minutes: list[int]) -> None:
    """However many conversations a page counts, and however many there are in ten minutes: each once."""
    desk.day += 2 * DAY_MS
    for minute in minutes:
        desk.say(desk.talk(str(uuid4()), at=desk.day), "carla", desk.day + minute * 60 * SECOND)
    [row] = desk.report(first=desk.day, limit=str(limit)).values()
    assert row == {"conversations": len(minutes), "messages_in": len(minutes)}


def test_counting_is_bounded(gateway: Driver) -> None:
    """Of one conversation so many messages at most, the newest, and an answer is looked for among so many."""
    gateway.given(bounds=Bounds(reported=2, answered=2))
    desk = Desk(gateway)
    talk = desk.talk("a")
    for _ in range(3):
        desk.say(talk, "carla", DAY + SECOND)
    for _ in range(300):
        desk.say(talk, "bot", DAY + 9 * SECOND)
    [row] = desk.report().values()
    assert (row["conversations"], "answered" in row) == (1, False)
    assert row["messages_out"] <= 200


def test_a_table_is_safe_to_open(desk: Desk) -> None:
    """A head, a row for each, and no formula; where there is more it says where."""
    for number, label in enumerate(("=1+1", "plain")):
        talk = desk.talk(f"t{number}")
        desk.say(talk, "carla", DAY + SECOND)
        desk.handle(talk, DAY + 2 * SECOND, labels=(label,))
    path = "/v1/reports/conversations?since=2026-03-02&until=2026-03-03&by=label&format=csv"
    made = desk.driver.call("crm", "GET", path)
    assert made.content_type.startswith("text/csv")
    assert {row["label"]: row["conversations"] for row in rows_of(made.get_data(as_text=True))} == {"'=1+1": "1", "plain": "1"}
    first = desk.driver.call("crm", "GET", f"{path}&limit=1")
    following = first.headers["Link"].partition(">")[0][1:]
    assert len([*rows_of(first.get_data(as_text=True)), *rows_of(desk.driver.call("crm", "GET", following).text)]) == 2


def rows_of(text: str) -> Iterable[dict[str, str]]:
    """The rows of a table."""
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=2026-03-02&until=2026-03-02", "until"),
        ("since=2026-03-02&until=2026-04-03", "until"),
        ("since=yesterday&until=2026-04-03", "since"),
        ("since=2026-03-02T00:00&until=2026-03-03", "since"),
        ("since=2026-03-02%2010:00&until=2026-03-03", "since"),
        ("since=2026-03-02&until=2026-03-03&by=weather", "by"),
        ("since=2026-03-02&until=2026-03-03&by=day,day", "by"),
        ("since=2026-03-02&until=2026-03-03&after=x", "after"),
        ("since=2026-03-02&until=2026-03-03&after=-1:", "after"),
        ("until=2026-03-03", "since"),
        ("since=2026-03-02&until=2026-03-03&limit=201", "limit"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(gateway: Driver, query: str, field: str) -> None:
    """A time that is none, too long a time, unknown names, a cursor of something else."""
    assert gateway.refused("crm", "GET", f"/v1/reports/conversations?{query}")[1] == field


def test_only_those_who_answer_may_ask(gateway: Driver) -> None:
    """Neither people nor bots."""
    for who, what in product(("carla", "bot"), ("conversations", "costs")):
        path = f"/v1/reports/{what}?since=2026-03-02&until=2026-03-03"
        assert gateway.refused(who, "GET", path, None, 403)[0] == "scope_needed"
