"""Progress of every message store: topics, positions, tries that count, dead letters."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from chat4all.model.failures import Failure
from chat4all.model.records import Range
from chat4all.ports import DeadLetter, MessageStore, Progress, Topic, Trouble
from tests.contracts.stores import fresh

DAY_MS = 86_400_000


def test_a_topic_is_the_one_that_was_kept_first(store: MessageStore, other: MessageStore) -> None:
    """The store answers with its own topic, so that another one of the same name is noticed."""
    mine, another = Topic(fresh("t"), "identity", 4), Topic(fresh("t"), "identity", 4)
    assert store.keep_topic(mine) == mine
    assert other.keep_topic(Topic(mine.name, "other", 8)) == mine
    assert store.keep_topic(another) == another


def test_progress_only_grows(store: MessageStore) -> None:
    """A late chain moves nothing back; partitions without progress are absent."""
    topic = fresh("t")
    assert store.progress(topic) == {}
    store.raise_progress(topic, {0: 9, 2: 0})
    store.raise_progress(topic, {0: 4, 2: 1})
    assert {partition: each.done for partition, each in store.progress(topic).items()} == {0: 9, 2: 1}


def test_every_sign_of_life_differs(store: MessageStore) -> None:
    """Beats change the row and move nothing; raising counts as a beat, also when nothing is raised."""
    topic, seen = fresh("t"), set[Progress]()
    for sign in range(6):
        if sign % 2:
            store.beat(topic, [0, 1])
        else:
            store.raise_progress(topic, {0: 5})
        seen.add(store.progress(topic)[0])
    assert len(seen) == 6
    assert {each.done for each in seen} == {5}


def test_a_beat_may_come_before_any_progress(store: MessageStore) -> None:
    """The first batch lives before anything is done."""
    topic = fresh("t")
    store.beat(topic, [3])
    assert store.progress(topic)[3].done == -1


def test_tries_count_by_stage_range_and_run(store: MessageStore) -> None:
    """A run counts once however often it is noted; other runs, stages and ranges count for themselves."""
    topic, span = fresh("t"), Range(0, 5, 9)
    for run in ("r1", "r1", "r2"):
        store.begin_tries("persist", topic, [span, Range(1, 0, 3)], run)
    store.begin_tries("fan_out", topic, [span], "r1")
    assert sorted(store.troubles(topic, [span]), key=lambda each: each.stage) == [
        Trouble("fan_out", span, 1),
        Trouble("persist", span, 2),
    ]
    assert store.troubles(fresh("t"), [span]) == []


def test_an_excused_try_does_not_count_whichever_note_comes_last(store: MessageStore) -> None:
    """A process that froze between the two notes must not make a good run look bad."""
    topic, span = fresh("t"), Range(0, 5, 9)
    store.begin_tries("persist", topic, [span], "good")
    store.excuse_tries("persist", topic, [span], "good")
    store.begin_tries("persist", topic, [span], "good")
    store.excuse_tries("persist", topic, [span], "late")
    store.begin_tries("persist", topic, [span], "late")
    assert store.troubles(topic, [span]) == []
    store.begin_tries("persist", topic, [span], "bad")
    assert store.troubles(topic, [span]) == [Trouble("persist", span, 1)]


@pytest.mark.parametrize(
    ("asked", "touches"),
    [((5, 9), True), ((0, 5), True), ((9, 20), True), ((6, 7), True), ((0, 99), True), ((0, 4), False), ((10, 20), False)],
)
def test_troubles_are_of_ranges_that_touch(store: MessageStore, asked: tuple[int, int], touches: bool) -> None:
    """Halved ranges and whole batches find each other; neighbours do not, and other partitions never."""
    topic, span = fresh("t"), Range(1, 5, 9)
    store.begin_tries("persist", topic, [span], "r")
    assert bool(store.troubles(topic, [Range(1, *asked)])) is touches
    assert store.troubles(topic, [Range(0, *asked)]) == []


def test_a_trouble_that_touches_several_ranges_is_told_once(store: MessageStore) -> None:
    """Both halves of a batch that killed a process point at the same try."""
    topic, span = fresh("t"), Range(0, 0, 9)
    store.begin_tries("persist", topic, [span], "r")
    assert store.troubles(topic, [Range(0, 0, 4), Range(0, 5, 9)]) == [Trouble("persist", span, 1)]


def letter(at: int, **more: object) -> DeadLetter:
    """A dead letter of its own."""
    return DeadLetter(**{"letter_id": fresh("l"), "at": at, "stage": "persist", "reason": "unreadable", **more})  # type: ignore[arg-type]


def day_of_its_own() -> tuple[str, int]:
    """A UTC day that no other test uses, and when it begins."""
    days = int(fresh().rpartition("-")[2], 16) % 90_000 + 30_000
    return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).date()), days * DAY_MS


def test_dead_letters_are_paged_by_day_and_time(store: MessageStore) -> None:
    """All of a UTC day and nothing of its neighbours, by time, each page beginning after the last one's end."""
    day, begins = day_of_its_own()
    inside = [letter(begins), letter(begins + 5), letter(begins + 5), letter(begins + DAY_MS - 1, detail="why", attempts=3)]
    store.add_dead_letters([*inside[::-1], letter(begins - 1), letter(begins + DAY_MS)])
    inside.sort(key=lambda each: (each.at, each.letter_id))
    assert store.dead_letters(day, 100) == inside
    assert store.dead_letters(day, 2) == inside[:2]
    assert store.dead_letters(day, 2, after=inside[1].letter_id) == inside[2:]
    assert store.dead_letters(day, 2, after=inside[3].letter_id) == []


def test_a_letter_is_kept_as_it_was_first_reported(store: MessageStore) -> None:
    """Reporting it again, later and differently, changes nothing."""
    day, begins = day_of_its_own()
    first = letter(begins, conversation_id="c", message_id="m", delivery="w:0:1:0", channel="w", first_at=3)
    store.add_dead_letters([first])
    store.add_dead_letters([letter(begins + 9, letter_id=first.letter_id, detail="again")])
    assert store.dead_letters(day, 10) == [first]


def test_what_a_provider_sent_is_kept_whole_beside_its_letter(store: MessageStore) -> None:
    """Every byte of it, as it was first reported; letters without it, and unknown ones, have none."""
    day, begins = day_of_its_own()
    kept = letter(begins, stage="unclaimed", channel="whatsapp", account="999")
    body = bytes(range(256)) * 5_000
    store.keep_webhooks([(kept, body)])
    store.keep_webhooks([(letter(begins + 9, letter_id=kept.letter_id, detail="again"), body)])
    assert store.kept_webhook(kept.letter_id) == (kept, body)
    assert store.dead_letters(day, 10) == [kept]
    plain = letter(begins)
    store.add_dead_letters([plain])
    store.keep_webhooks([])
    assert store.kept_webhook(plain.letter_id) is None
    assert store.kept_webhook(fresh("l")) is None


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_buried_records_are_found_by_their_place(store: MessageStore, order: tuple[int, ...]) -> None:
    """Letters that are about a record of these ranges; of several about one, the same whoever wrote first."""
    topic, (_, begins) = fresh("t"), day_of_its_own()
    first = letter(begins, topic=topic, partition=1, offset=7)
    later = letter(begins + 1, topic=topic, partition=1, offset=7)
    other = letter(begins, topic=topic, partition=1, offset=9)
    for each in order:
        store.add_dead_letters([(first, later, other)[each]])
    assert store.buried(topic, [Range(1, 7, 9)]) == {(1, 7): first, (1, 9): other}
    assert store.buried(topic, [Range(1, 0, 6), Range(1, 8, 8), Range(0, 0, 99)]) == {}
    assert store.buried(topic, []) == {}


def test_letters_about_deliveries_bury_no_record(store: MessageStore) -> None:
    """A refused delivery, or a letter without a record, must not make the stages pass over anything."""
    topic = fresh("t")
    refused = letter(5, topic=topic, partition=0, offset=3, delivery="w:0:4:0")
    store.add_dead_letters([refused, letter(5, topic=topic), letter(5)])
    assert store.buried(topic, [Range(0, 0, 9), Range(0, -1, 9)]) == {}


def test_a_store_that_answers_says_so(store: MessageStore) -> None:
    """One line for people."""
    assert store.check()
    assert "\n" not in store.check()


def test_a_closed_store_raises_and_can_be_closed_again(other: MessageStore) -> None:
    """Closing twice is fine; using it afterwards is a failure of ours, not a crash."""
    other.close()
    other.close()
    with pytest.raises(Failure):
        other.users(["anna"])
    with pytest.raises(Failure):
        other.raise_progress("t", {0: 1})
