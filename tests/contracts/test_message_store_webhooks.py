"""Every message store keeps outgoing webhooks, the log of calls to them, recoveries, and how far messages were told."""

from collections.abc import Iterator
from random import Random

import pytest
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.deliveries import Lane
from chat4all.ports import WEBHOOKS, Lease, MessageStore, Recovery, Waiting, Webhook, WebhookCall
from chat4all.ports.webhooks import Ended, Filter
from chat4all.settings import Settings
from storage.open import open_store
from tests.contracts.stores import fresh

# A number of a partition that no other test of this run has: the store may be shared.
PARTITIONS = iter(Random().sample(range(1, 2**31 - 1), 100))


def endpoint(webhook_id: str = "", version: int = 1, url: str = "https://example.com/in") -> Webhook:
    """An endpoint in which every field says something."""
    return Webhook(
        webhook_id or fresh("wh"),
        url,
        ("message.received", "message.sent"),
        Filter(("whatsapp",), ("main",), ("c",), ("vip", "é")),
        b"\x00\xffsealed",
        2.5,
        {0: 17, 3: 2**40},
        reason="",
        failing_since=5,
        created_at=6,
        changed_at=7,
        created_by="anna",
        version=version,
        unsaid=(Ended(3, 4, "gone"),),
        batch=20,
    )


def call(webhook_id: str, number: int, at: int = 0) -> WebhookCall:
    """The so manyth call to this endpoint."""
    at = at or now_ms()
    return WebhookCall(
        webhook_id,
        f"{number:08}",
        at,
        f"e{number}",
        "message.sent",
        "c",
        2,
        number,
        3,
        500,
        "é",
        12,
        "no",
        "test",
        (number, 2**40),
    )


def recovery(partition: int, recovery_id: str = "r", position: int = 10, until: int = 50) -> Recovery:
    """A recovery like most."""
    return Recovery(recovery_id, "wh", partition, position, until)


def test_an_endpoint_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; unknown ones are nothing."""
    kept = endpoint()
    assert store.webhook(kept.webhook_id) is None
    assert store.put_webhook(kept)
    assert other.webhook(kept.webhook_id) == kept


def test_an_endpoint_is_replaced_only_by_who_has_seen_its_last_version(store: MessageStore, other: MessageStore) -> None:
    """Not by one who was slower, nor who skips a version, nor as one that is new; what was refused leaves no trace."""
    first = endpoint()
    assert not store.put_webhook(replace(first, version=2))
    assert not store.put_webhook(replace(first, version=0))
    assert store.put_webhook(first)
    second = replace(first, url="https://example.com/2", version=2)
    assert other.put_webhook(second)
    for late in (replace(first, url="x"), replace(second, url="x"), replace(second, url="x", version=4)):
        assert not store.put_webhook(late)
    assert store.webhook(first.webhook_id) == second


def test_every_change_of_an_endpoint_shows(store: MessageStore, other: MessageStore) -> None:
    """A number that nobody saw before, for every reader; asking and being refused change nothing."""
    one, two = endpoint(), endpoint()
    seen = [store.webhooks_changed()]
    for each in (one, two, replace(one, version=2, status="disabled"), replace(one, version=3, status="deleted")):
        assert store.put_webhook(each)
        assert store.webhooks_changed() == other.webhooks_changed()
        seen.append(other.webhooks_changed())
    assert not store.put_webhook(one)
    assert other.webhook(one.webhook_id) is not None
    assert other.webhooks_changed() == seen[-1]
    assert len(set(seen)) == 5


def test_endpoints_are_listed_by_id_without_the_deleted_ones(store: MessageStore) -> None:
    """Page by page, disabled ones too; where many in a row are deleted the page is full all the same."""
    prefix = fresh("wh")
    made = [endpoint(f"{prefix}-{number:02}") for number in (3, 1, 2, 0, 5, 4, 6, 7, 8, 9)]
    for each in made:
        assert store.put_webhook(each)
    gone = made[0]
    disabled = replace(made[1], version=2, status="disabled", reason="410")
    assert store.put_webhook(disabled)
    for each in (gone, *made[4:9]):
        assert store.put_webhook(replace(each, version=2, status="deleted"))
    assert store.webhook(gone.webhook_id) == replace(gone, version=2, status="deleted")
    left = [made[3], disabled, made[2], made[9]]
    assert store.webhooks(4, f"{prefix}-") == left
    assert store.webhooks(2, f"{prefix}-") == left[:2]
    assert store.webhooks(2, left[1].webhook_id) == left[2:4]
    after_last = store.webhooks(1, left[3].webhook_id)
    assert not [each for each in after_last if each.webhook_id.startswith(prefix)]


def test_calls_are_read_newest_first_page_by_page(store: MessageStore, other: MessageStore) -> None:
    """Across days, as they were written, of this endpoint only; the same again changes nothing."""
    here, there, now = fresh("wh"), fresh("wh"), now_ms()
    calls = [call(here, number, now - (9 - number) * DAY_MS // 4) for number in range(10)]
    store.log_webhook_calls([*calls[:7], call(there, 5)])
    store.log_webhook_calls([])
    store.log_webhook_calls([*calls[6:], *calls[2:4]])
    newest_first = calls[::-1]
    assert other.webhook_calls(here, 100) == newest_first
    assert other.webhook_calls(here, 4) == newest_first[:4]
    assert other.webhook_calls(here, 4, newest_first[3].call_id) == newest_first[4:8]
    assert other.webhook_calls(here, 4, newest_first[9].call_id) == []
    assert [each.offset for each in other.webhook_calls(there, 100)] == [5]


def test_many_calls_are_logged_at_once(store: MessageStore) -> None:
    """More than any store takes in one statement."""
    here = fresh("wh")
    store.log_webhook_calls([call(here, number) for number in range(700)])
    assert [each.offset for each in store.webhook_calls(here, 1000)] == list(range(699, -1, -1))


@pytest.fixture
def brief(store: MessageStore, store_settings: Settings) -> Iterator[MessageStore]:
    """The same store, for whoever keeps ten calls of an endpoint."""
    opened = open_store(store_settings.model_copy(update={"webhook_calls_limit": 10}))
    yield opened
    opened.close()


def test_the_log_of_an_endpoint_has_a_bound(store: MessageStore, brief: MessageStore) -> None:
    """The newest stay, on whichever day they were made, and however many too many there are; others' logs are left alone."""
    here, there, now = fresh("wh"), fresh("wh"), now_ms()
    old = [call(here, number, now - (2 - number // 600) * DAY_MS) for number in range(1200)]
    store.log_webhook_calls([*old, *(call(there, number) for number in range(20))])
    brief.log_webhook_calls([call(here, 1200), call(here, 1201)])
    assert [each.offset for each in store.webhook_calls(here, 5000)] == list(range(1201, 1191, -1))
    for number in range(1202, 1220):
        brief.log_webhook_calls([call(here, number)])
    assert [each.offset for each in store.webhook_calls(here, 5000)] == list(range(1219, 1209, -1))
    assert len(store.webhook_calls(there, 100)) == 20


def test_a_recovery_is_begun_once(store: MessageStore, other: MessageStore) -> None:
    """Each partition has its own; beginning it again, with other words too, does not take it back."""
    here, there = next(PARTITIONS), next(PARTITIONS)
    store.add_recoveries([])
    assert store.recoveries(here) == []
    store.add_recoveries([recovery(here), recovery(here, "s", 20), recovery(there)])
    store.move_recovery(replace(recovery(here), position=15, retry_at=900, refusals=2))
    other.add_recoveries([recovery(here), recovery(there)])
    assert other.recoveries(here) == [replace(recovery(here), position=15, retry_at=900, refusals=2), recovery(here, "s", 20)]
    assert other.recoveries(there) == [recovery(there)]


def test_a_recovery_only_goes_on(store: MessageStore, other: MessageStore) -> None:
    """A late word of where it was does not take it back, of whichever process."""
    here = next(PARTITIONS)
    store.add_recoveries([recovery(here)])
    store.move_recovery(recovery(here, position=30))
    other.move_recovery(recovery(here, position=20))
    store.move_recovery(recovery(here, position=5))
    assert [each.position for each in other.recoveries(here)] == [30]


def test_a_recovery_that_waits_goes_on_at_the_same_place(store: MessageStore) -> None:
    """When to try again, and how often it was refused, are what was said last."""
    here = next(PARTITIONS)
    store.add_recoveries([recovery(here)])
    for refusals, retry_at in ((1, 700), (2, 500), (0, 0)):
        at = replace(recovery(here), refusals=refusals, retry_at=retry_at)
        store.move_recovery(at)
        assert store.recoveries(here) == [at]


def test_a_recovery_that_is_done_is_forgotten(store: MessageStore, other: MessageStore) -> None:
    """Whatever is still said of it, by a holder who was followed; others of the partition go on."""
    here = next(PARTITIONS)
    store.add_recoveries([recovery(here), recovery(here, "s")])
    store.move_recovery(recovery(here, position=40))
    store.move_recovery(recovery(here, position=50))
    other.move_recovery(replace(recovery(here, position=45), retry_at=10, refusals=1))
    other.move_recovery(recovery(here, position=50))
    assert store.recoveries(here) == other.recoveries(here) == [recovery(here, "s")]


def test_what_was_told_only_grows(store: MessageStore, other: MessageStore) -> None:
    """Whoever says it, in whichever order; each partition by itself."""
    one, two, never = next(PARTITIONS), next(PARTITIONS), next(PARTITIONS)
    store.raise_told_seqs({})
    store.raise_told_seqs({one: 2**45, two: 0})
    other.raise_told_seqs({one: 2**45 - 1, two: 3})
    store.raise_told_seqs({one: 1})
    told = other.told_seqs()
    assert (told[one], told[two]) == (2**45, 3)
    assert never not in told


def test_lanes_of_webhooks_are_lanes_as_any(store: MessageStore) -> None:
    """A whole endpoint waits under no conversation, beside keys of one; cursor and lease are as everywhere."""
    here = Lane(WEBHOOKS, next(PARTITIONS))
    assert store.swap_lease(here, Lease(), Lease("me", 1, 0))
    store.raise_cursor(here, 7, 1)
    whole, key = Waiting(here, "", "wh-1", 3, 0, 900, 1, 5), Waiting(here, "c", "wh-1", 4, 0, 100, 1, 5)
    second = replace(whole, address="wh-2", seq=9)
    store.record({}, waiting=[whole, key, second])
    assert store.waiting(here) == [replace(each, stamp=5) for each in (whole, key, second)]
    assert store.waiting_counts([here]) == {here: 3}
    assert store.due([here], 99) == []
    assert store.due([here], 100) == [here]
    state = store.lanes()[here]
    assert (state.fanned, state.cursor, state.lease) == (0, 7, Lease("me", 1, 0))
    store.record({}, resumed=[replace(whole, stamp=6), replace(key, stamp=6)])
    assert store.waiting(here) == [second]
