"""Every message store keeps connected accounts and their apps, and lets one change them who knows what all of them are."""

from msgspec.structs import replace

from chat4all.ports import ConnectedAccount, MessageStore, ProviderApp
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
        app_id="its-app",
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


def an_app(app_id: str = "") -> ProviderApp:
    """An app in which every field says something."""
    return ProviderApp(app_id or fresh("app"), "whatsapp", "Shop, é", b"\x00\xffsealed", "acme", 5, 6, "acme/anna")


def test_an_app_is_read_as_it_was_written_until_it_is_removed(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; removing it again changes nothing but the number."""
    kept = an_app()
    assert store.app(kept.app_id) is None
    assert store.put_app(kept, store.accounts_changed())
    assert other.app(kept.app_id) == kept
    changed = replace(kept, name="", sealed=b"other")
    assert other.put_app(changed, other.accounts_changed())
    assert store.app(kept.app_id) == changed
    for _ in range(2):
        assert store.remove_app(kept.app_id, store.accounts_changed())
        assert other.app(kept.app_id) is None


def test_apps_and_accounts_are_decided_on_together(store: MessageStore, other: MessageStore) -> None:
    """Whoever saw no account of an app cannot remove it once there is one; nor does an account come to name what is gone."""
    app, account = an_app(), connected()
    assert store.put_app(app, store.accounts_changed())
    seen = store.accounts_changed()
    assert other.put_account(account, seen)
    assert not store.remove_app(app.app_id, seen)
    assert not store.put_app(replace(app, name="late"), seen)
    assert other.app(app.app_id) == app
    seen = other.accounts_changed()
    assert store.remove_app(app.app_id, seen)
    assert not other.put_account(replace(account, app_id=app.app_id), seen)
    assert store.accounts_changed() == seen + 1


def test_apps_are_listed_by_id_and_are_no_accounts(store: MessageStore) -> None:
    """Page by page."""
    prefix = fresh("app")
    made = [an_app(f"{prefix}-{number}") for number in (2, 0, 1)]
    for each in made:
        assert store.put_app(each, store.accounts_changed())
    in_order = [made[1], made[2], made[0]]
    assert store.apps(3, f"{prefix}-") == in_order
    assert store.apps(2, f"{prefix}-") == in_order[:2]
    assert store.apps(1, in_order[1].app_id) == in_order[2:]
    assert not [each for each in store.accounts(999, "") if each.account_id.startswith(prefix)]
