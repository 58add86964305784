"""Every message store keeps connected accounts, and lets one change them who knows what all of them are."""

from msgspec.structs import replace

from chat4all.ports import ConnectedAccount, MessageStore
from tests.contracts.stores import fresh


def connected(account_id: str = "") -> ConnectedAccount:
    """An account in which every field says something."""
    return ConnectedAccount(
        account_id or fresh("acc"),
        "whatsapp",
        "100000000000007",
        "Shop, é",
        b"\x00\xffsealed",
        "failing",
        "credentials",
        "default",
        5,
        6,
        "anna",
        7,
    )


def keep(store: MessageStore, account: ConnectedAccount) -> None:
    """Put it, whatever there is."""
    assert store.put_account(account, store.accounts_changed())


def test_an_account_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; unknown ones are nothing."""
    kept = connected()
    assert store.account(kept.account_id) is None
    keep(store, kept)
    assert other.account(kept.account_id) == kept
    changed = replace(kept, name="", sealed=b"", state="removed", reason="", checked_at=0)
    keep(other, changed)
    assert store.account(kept.account_id) == changed


def test_an_account_is_changed_only_by_who_knows_what_all_are(store: MessageStore, other: MessageStore) -> None:
    """Also one that is new, and also where another account was changed meanwhile; what was refused leaves no trace."""
    one, two = connected(), connected()
    seen = store.accounts_changed()
    assert other.put_account(one, seen)
    for late in (seen, seen + 2, -1):
        assert not store.put_account(two, late)
        assert not store.put_account(replace(one, name="late"), late)
    assert (store.account(one.account_id), store.account(two.account_id)) == (one, None)
    assert store.put_account(two, seen + 1)
    assert other.account(two.account_id) == two


def test_every_change_of_an_account_shows(store: MessageStore, other: MessageStore) -> None:
    """By a higher number, for every reader; asking and being refused change nothing."""
    one, seen = connected(), [store.accounts_changed()]
    for each in (one, replace(one, state="paused"), replace(one, state="removed")):
        keep(store, each)
        assert store.accounts_changed() == other.accounts_changed()
        seen.append(other.accounts_changed())
    assert not store.put_account(one, seen[0])
    assert other.accounts_changed() == seen[-1]
    assert seen == list(range(seen[0], seen[0] + 4))


def test_accounts_are_listed_by_id(store: MessageStore) -> None:
    """Page by page, the removed ones too."""
    prefix = fresh("acc")
    made = [connected(f"{prefix}-{number}") for number in (2, 0, 1, 3)]
    for each in made:
        keep(store, each)
    gone = replace(made[1], state="removed", sealed=b"")
    keep(store, gone)
    in_order = [gone, made[2], made[0], made[3]]
    assert store.accounts(4, f"{prefix}-") == in_order
    assert store.accounts(2, f"{prefix}-") == in_order[:2]
    assert store.accounts(2, in_order[1].account_id) == in_order[2:]
