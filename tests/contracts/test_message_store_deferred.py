"""Every message store keeps what waits before it is accepted, until that was looked at."""

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Edit, Media, Reaction, Text
from chat4all.ports import Deferred, Inbound, MessageStore
from tests.contracts.stores import fresh

HOUR_MS = 3_600_000


def waiting(account: str, number: int, look_at: int, **more: object) -> Deferred:
    update = Inbound("whatsapp", account, f"p{number}", "+55", "👍", 7, content=Reaction("", "👍"), about="wamid.1")
    return Deferred(replace(update, **more), 5, look_at, "target")


def due(store: MessageStore, account: str, now: int) -> list[Deferred]:
    """What is due of this test's own account: others may have left theirs in the store."""
    return [each for each in store.deferred(now, 10_000) if each.update.account == account]


def test_what_waits_is_given_when_it_is_due_in_order(store: MessageStore, other: MessageStore) -> None:
    """Whole, whatever it says; what is due later is not among it; nothing at all is nothing."""
    account, now = fresh("a"), now_ms()
    edit = Edit(Media("f", filename="a.jpg", mime_type="image/jpeg", text="caption"))
    rows = [
        waiting(account, 1, now - 90_000),
        waiting(account, 2, now - 5, content=edit, raw=b"\x00\xff", referral={"ref": "x"}),
        waiting(account, 3, now + HOUR_MS),
    ]
    store.defer(rows[::-1])
    store.defer([])
    assert due(other, account, now) == rows[:2]
    assert due(other, account, now + 2 * HOUR_MS) == rows


def test_what_was_looked_at_is_looked_at_again_when_it_says(store: MessageStore) -> None:
    """The new look is written before the old one is forgotten; both may be done again."""
    account, now = fresh("a"), now_ms()
    row = waiting(account, 1, now - 5)
    later = replace(row, look_at=now + 60_000, accepted=True)
    for _ in range(2):
        store.defer([row])
        store.defer([later])
        store.forget_deferred([row])
    assert due(store, account, now) == []
    assert due(store, account, now + HOUR_MS) == [later]
    store.forget_deferred([later])
    store.forget_deferred([])
    assert due(store, account, now + HOUR_MS) == []


def test_a_repeated_update_is_kept_once(store: MessageStore) -> None:
    """At the same time; what is said of it first stays."""
    account, now = fresh("a"), now_ms()
    row = waiting(account, 1, now - 5)
    store.defer([row, row])
    assert due(store, account, now) == [row]


def test_a_look_is_bounded(store: MessageStore) -> None:
    """So many at the most, those first that have been due for longest."""
    account = fresh("a")
    rows = [waiting(account, number, 10 + number, content=Text("x")) for number in range(5)]
    store.defer(rows)
    looks = [each.look_at for each in store.deferred(now_ms(), 3)]
    assert len(looks) == 3
    assert looks == sorted(looks)
    store.forget_deferred(rows)
    assert due(store, account, now_ms()) == []
