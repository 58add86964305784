"""Every message store keeps saved replies, and lets one change them who knows what all of them are."""

from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from chat4all.model.saved_replies import SavedFile, SavedReply
from chat4all.ports import MessageStore
from tests.contracts.stores import fresh


def reply(reply_id: str = "") -> SavedReply:
    """A reply in which every field says something."""
    file = SavedFile("f", "menu é.pdf", "application/pdf", 7, "a" * 64, "key")
    return SavedReply(reply_id or fresh("r"), "Greeting", fresh("s"), "Hello {{name|é}}", (file,), 3, 5, 6, "anna")


def kept(store: MessageStore, *ids: str) -> dict[str, SavedReply]:
    """Those of these ids."""
    return {each.reply_id: each for each in store.saved_replies() if each.reply_id in ids}


def test_a_reply_is_read_as_it_was_written_until_it_is_removed(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; and again under the same id."""
    one = reply()
    changed = replace(one, title="é", files=(), version=4)
    for each in (one, changed):
        assert store.put_saved_reply(each, store.saved_replies_changed())
        assert kept(other, one.reply_id) == {one.reply_id: each}
    assert other.remove_saved_reply(one.reply_id, store.saved_replies_changed())
    assert kept(store, one.reply_id) == {}
    assert store.put_saved_reply(one, store.saved_replies_changed())
    assert kept(store, one.reply_id) == {one.reply_id: one}


def test_replies_are_changed_only_by_who_knows_what_all_are(store: MessageStore, other: MessageStore) -> None:
    """Also one that is new, also removed, and also where another was changed meanwhile; what was refused leaves no trace."""
    one, two = reply(), reply()
    seen = store.saved_replies_changed()
    assert other.put_saved_reply(one, seen)
    for late in (seen, seen + 2, -1):
        assert not store.put_saved_reply(two, late)
        assert not store.put_saved_reply(replace(one, title="late"), late)
        assert not store.remove_saved_reply(one.reply_id, late)
    assert kept(store, one.reply_id, two.reply_id) == {one.reply_id: one}
    assert store.saved_replies_changed() == seen + 1


def test_of_several_at_once_one_succeeds_for_each_number(store: MessageStore) -> None:
    """However many try: each number is raised once."""
    seen = store.saved_replies_changed()
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda _: store.put_saved_reply(reply(), seen), range(4)))
    assert (sum(won), store.saved_replies_changed()) == (1, seen + 1)
