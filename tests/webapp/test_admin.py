"""Dead letters as operators see them: who may look, what is shown, what is found, and page after page."""

from typing import Any
from uuid import uuid4

import pytest

from chat4all.model.clock import DAY_MS
from chat4all.model.records import INCOMING
from chat4all.ports import DeadLetter
from chat4all.services.dead_letters import (
    instant,
    scan,
)
from tests.webapp.driver import Driver
from webapp.requests.bounds import Bounds

DAY = "2026-03-10"
BEGINS = instant(DAY, 0)
PATH = "/v1/dead-letters"
OLDER = "/v1/admin/dead-letters"


def letter(at: int, **more: Any) -> DeadLetter:
    """A delivery's letter, so many ms after the day began."""
    fields = {"stage": "deliver", "reason": "blocked", "channel": "whatsapp", "delivery": "whatsapp:1:7:0", "attempts": 2}
    return DeadLetter(**{"letter_id": str(uuid4()), "at": BEGINS + at, "first_at": BEGINS, **fields, **more})


@pytest.fixture
def admins(gateway: Driver) -> Driver:
    gateway.service("boss", "admin")
    return gateway


def found(driver: Driver, query: str) -> list[str]:
    return [each["letter_id"] for each in driver.ask("boss", "GET", f"{PATH}?{query}")["dead_letters"]]


def test_only_admins_look(admins: Driver) -> None:
    """A person and a client that may send and manage are refused; without a token nobody is known."""
    admins.people("alice")
    admins.service("crm", "send", "manage")
    assert admins.refused("alice", "GET", PATH, expect=403) == ("scope_needed", "")
    assert admins.refused("crm", "GET", PATH, expect=403) == ("scope_needed", "")
    assert admins.refused(None, "GET", PATH, expect=401)[0] == "token_missing"
    assert admins.ask("boss", "GET", PATH) == {"dead_letters": []}


def test_a_letter_says_what_where_and_when_and_quotes_nobody(admins: Driver) -> None:
    """Record, reason, stage, attempts and times; `detail` may quote what a stage stumbled over, and is not shown."""
    sent = letter(5, message_id="m", conversation_id="c", detail="their secret words")
    aside = DeadLetter(str(uuid4()), BEGINS + 9, "persist", "unreadable", "+5511 words", INCOMING, 3, 17)
    admins.parts.store.add_dead_letters([sent, aside])
    answer = admins.call("boss", "GET", f"{PATH}?day={DAY}")
    assert b"words" not in answer.data
    assert answer.get_json()["dead_letters"] == [
        {
            "letter_id": sent.letter_id,
            "stage": "deliver",
            "reason": "blocked",
            "record": "chat-incoming:1:6",
            "attempts": 2,
            "first_at": f"{DAY}T00:00:00.000Z",
            "at": f"{DAY}T00:00:00.005Z",
            "channel": "whatsapp",
            "delivery": "whatsapp:1:7:0",
            "message_id": "m",
            "conversation_id": "c",
        },
        {
            "letter_id": aside.letter_id,
            "stage": "persist",
            "reason": "unreadable",
            "record": "chat-incoming:3:17",
            "attempts": 0,
            "first_at": f"{DAY}T00:00:00.009Z",
            "at": f"{DAY}T00:00:00.009Z",
        },
    ]


def test_filters_narrow_by_time_and_by_word(admins: Driver) -> None:
    """A day, a span over several days whose end is excluded, and channel, reason and stage, alone and together."""
    early = letter(-1)
    noon = letter(DAY_MS // 2, reason="expired")
    late = letter(DAY_MS, channel="telegram")
    aside = letter(3 * DAY_MS, stage="persist", delivery="", channel="")
    admins.parts.store.add_dead_letters([early, noon, late, aside])
    ids = [each.letter_id for each in (early, noon, late, aside)]
    assert found(admins, f"day={DAY}") == ids[1:2]
    assert found(admins, "since=2026-03-09&until=2026-03-14") == ids
    assert found(admins, f"since={DAY}T12:00:00Z&until=2026-03-11T00:00:00Z") == ids[1:2]
    assert found(admins, f"since={DAY}T12:00:00%2B02:00&until=2026-03-12") == ids[1:3]
    wide = "since=2026-03-09&until=2026-03-14"
    assert found(admins, f"{wide}&channel=telegram") == ids[2:3]
    assert found(admins, f"{wide}&reason=blocked&stage=deliver") == [ids[0], ids[2]]
    assert found(admins, f"{wide}&stage=persist") == ids[3:]
    assert found(admins, "") == []


@pytest.mark.parametrize(("path", "after"), [(PATH, "after"), (OLDER, "next")])
def test_pages_follow_each_other_without_gap_or_repetition(admins: Driver, path: str, after: str) -> None:
    """Through days, equal times and filters that hardly anything passes: each letter once, and an end."""
    admins.given(bounds=Bounds(letters=5, letters_at_once=4))
    kept = [letter((n // 3) * DAY_MS // 5, reason="rare" if n % 7 == 0 else "blocked") for n in range(30)]
    admins.parts.store.add_dead_letters(kept)
    kept.sort(key=lambda each: (each.at, each.letter_id))
    for reason, limit in (("", 2), ("", 5), ("rare", 2), ("nothing", 3)):
        seen: list[str] = []
        query = f"since={DAY}&until=2026-03-20&limit={limit}&reason={reason}"
        page = admins.ask("boss", "GET", f"{path}?{query}")
        seen += [each["letter_id"] for each in page["dead_letters"]]
        while "next" in page:
            page = admins.ask("boss", "GET", f"{path}?{query}&{after}={page['next']}")
            seen += [each["letter_id"] for each in page["dead_letters"]]
        assert seen == [each.letter_id for each in kept if reason in {"", each.reason}]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("day=someday", "day"),
        (f"day={DAY}&since=24h", "day"),
        ("since=yesterday", "since"),
        ("until=99999999h", "until"),
        ("since=2020-01-01&until=2026-01-01", "since"),
        ("limit=0", "limit"),
        ("after=somewhere", "after"),
        ("next=somewhere", "next"),
        ("colour=red", "colour"),
    ],
)
def test_what_is_wrong_is_named(admins: Driver, query: str, field: str) -> None:
    """422 with the field, for each wrong query."""
    assert admins.refused("boss", "GET", f"{PATH}?{query}") == ("invalid", field)


def test_a_place_beyond_the_end_is_an_empty_page(admins: Driver) -> None:
    """A `next` that nobody gave out harms nothing."""
    assert found(admins, f"day={DAY}&after=999999999999999_{uuid4()}") == []


def test_a_scan_reads_nothing_outside_its_span(admins: Driver) -> None:
    """Neighbouring days are not part of it, nor is its end."""
    inside = letter(0)
    admins.parts.store.add_dead_letters([letter(-1), inside, letter(DAY_MS)])
    assert list(scan(admins.parts.store, BEGINS, BEGINS + DAY_MS)) == [inside]
    assert list(scan(admins.parts.store, BEGINS, BEGINS)) == []
