"""Every message store keeps what providers say of templates: the newest, whoever writes last."""

from msgspec.structs import replace

from chat4all.ports import MessageStore
from chat4all.ports.templates import AccountTemplate
from tests.contracts.stores import fresh

FULL = AccountTemplate("a", "en", "UTILITY", ({"type": "BODY", "text": "olá {{1}}"},), "REJECTED", "SCAM", "7", "RED", 1_000)


def test_a_template_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """All of an account by name and language, and one by its name; other accounts have their own."""
    account, empty = fresh("a"), fresh("a")
    others = [replace(FULL, name="b"), replace(FULL, language="pt_BR")]
    store.put_templates(account, [*others, FULL])
    store.put_templates(account, [])
    assert other.templates_of(account) == [FULL, others[1], others[0]]
    assert store.templates_named([(account, "a", "en"), (empty, "a", "en")]) == {(account, "a", "en"): FULL}
    assert store.templates_named([]) == {}
    assert store.templates_of(empty) == []


def test_of_two_that_write_one_the_later_stands(store: MessageStore, other: MessageStore) -> None:
    """In whatever order they write."""
    account = fresh("a")
    newer = replace(FULL, status="APPROVED", at=2_000)
    store.put_templates(account, [newer])
    other.put_templates(account, [FULL])
    assert store.templates_of(account) == [newer]
    newest = replace(FULL, status="PAUSED", at=3_000)
    other.put_templates(account, [newest])
    assert store.templates_of(account) == [newest]


def test_when_all_were_asked_for_only_grows(store: MessageStore, other: MessageStore) -> None:
    """0 before the first time."""
    account = fresh("a")
    assert store.templates_read_at(account) == 0
    store.note_templates_read(account, 2_000)
    other.note_templates_read(account, 1_000)
    assert store.templates_read_at(account) == 2_000
