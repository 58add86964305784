"""An embedded store of an older version is brought up to date."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

import storage
from chat4all.model.broadcasts import Broadcast
from chat4all.model.content import Deletion, Text
from chat4all.model.conversations import User, UserKind
from chat4all.model.deliveries import TAKEN_BACK, Delivery, DeliveryKey, Facts, Lane, Withdrawn
from chat4all.model.files import StoredFile
from chat4all.model.modifiers import Modification
from chat4all.model.saved_replies import SavedReply
from chat4all.model.sessions import Revocation
from chat4all.ports import ConnectedAccount, Deferred, Inbound, ProviderApp, Recovery, Waiting, Webhook, WebhookCall
from chat4all.settings import Settings
from storage.message_store.sqlite import SQLiteStore

BOB = User("bob", UserKind.PERSON, 1)


@contextmanager
def upgraded(settings: Settings, version: int, *tables: str, users: Sequence[User] = (BOB,)) -> Iterator[SQLiteStore]:
    """A store that an older version wrote, without these tables, brought up to date. Whom it knew it still knows."""
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users(users)
    store.close()
    with sqlite3.connect(settings.data / "store.db") as db:
        for table in tables:
            db.execute(f"DROP TABLE {table}")
        db.execute(f"PRAGMA user_version={version}")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert again.users([each.user_id for each in users]) == {each.user_id: each for each in users}
    try:
        yield again
    finally:
        again.close()


def test_a_file_of_version_1_gains_the_tables_for_files(tmp_path: Path) -> None:
    """What was kept stays, and files can be kept."""
    with upgraded(Settings(data=tmp_path), 1, "files", "objects", "object_holders") as store:
        row = StoredFile("f", "c", "bob", "a.txt", "text/plain", 1, 1, 1)
        assert store.add_files([row]) == [row]


def test_a_file_of_version_2_gains_sessions_and_lists_its_clients(tmp_path: Path) -> None:
    """Service clients that were made before are found by name; people are not among them."""
    users = [BOB, User("shop", UserKind.CLIENT, 1, scopes=("send",))]
    with upgraded(Settings(data=tmp_path), 2, "sessions", "generation", "revocations", "holdings", users=users) as store:
        assert [each.thing for each in store.holdings("", "client")] == ["shop"]
        assert store.revoke([Revocation("s")], 60) == store.generation() == 1


@pytest.mark.parametrize(
    ("version", "columns", "learned"),
    [
        (16, ("priced_at", "price"), Facts(sent_at=6, priced_at=7, price="free - -")),
        (31, ("bounced_at", "bounced_reason"), Facts(sent_at=6, bounced_at=7, bounced_reason="provider_error")),
    ],
)
def test_an_older_file_gains_facts(tmp_path: Path, version: int, columns: tuple[str, str], learned: Facts) -> None:
    """Of its deliveries more can be known, and that outlives the row; what was known before stays."""
    settings = Settings(data=tmp_path)
    old, new = DeliveryKey(Lane("whatsapp", 0), 1, 0), DeliveryKey(Lane("whatsapp", 0), 2, 0)
    store = SQLiteStore(settings)
    store.migrate()
    store.put_deliveries([Delivery(each, "c", f"m{each.seq}", "u", "+1", Text("x"), 1) for each in (old, new)])
    store.record({old: Facts(sent_at=5, provider_id="p")})
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DROP TRIGGER deliveries_outcome")
        for table in ("deliveries", "outcomes"):
            for column in columns:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        # Of the older file: one that knows fewer columns.
        db.execute("CREATE TRIGGER deliveries_outcome BEFORE DELETE ON deliveries BEGIN DELETE FROM outcomes WHERE 0; END")
        db.execute(f"PRAGMA user_version={version}")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert again.deliveries([old])[old].facts == Facts(sent_at=5, provider_id="p")
    again.record({new: learned})
    again.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DELETE FROM deliveries")
    db.close()
    once_more = SQLiteStore(settings)
    kept = once_more.outcomes([old, new])
    assert kept == {old: Facts(sent_at=5, provider_id="p"), new: learned}
    once_more.close()


def test_migrations_are_numbered_once() -> None:
    """Two files under one number: only one of them would ever be applied."""
    cassandra_migrations = Path(storage.__file__ or "").parent / "message_store" / "cassandra_migrations"
    numbers = [each.name.partition("_")[0] for each in cassandra_migrations.glob("*.cql")]
    assert len(numbers) == len(set(numbers))


def test_keys_that_wait_in_a_file_of_version_2_can_go_on_and_wait_anew(tmp_path: Path) -> None:
    """Their rows have no stamp: every word of today's holders counts more."""
    settings, here = Settings(data=tmp_path), Lane("whatsapp", 0)
    store = SQLiteStore(settings)
    store.migrate()
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("ALTER TABLE waiting DROP COLUMN stamp")
        db.executemany("INSERT INTO waiting VALUES ('whatsapp', 0, 'c', ?, 5, 0, 100, 1)", [("1",), ("2",)])
        db.execute("PRAGMA user_version=2")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    one, two = again.waiting(here)
    assert (one, two) == (Waiting(here, "c", "1", 5, 0, 100, 1), Waiting(here, "c", "2", 5, 0, 100, 1))
    again.record({}, waiting=[replace(one, retry_at=900, stamp=7)], resumed=[replace(two, stamp=7)])
    assert again.waiting(here) == [replace(one, retry_at=900, stamp=7)]
    again.close()


def test_a_file_of_version_10_gains_what_is_kept_of_content(tmp_path: Path) -> None:
    """What was said of messages later, what providers sent, and what is not to be sent; under limits by age too."""
    settings = Settings(data=tmp_path, keep_messages_days=60)
    with upgraded(settings, 10, "modifications", "raw_parts", "withdrawals", "provider_uploads") as store:
        deletion, key = Modification("c", 1, 2, 5, Deletion("m")), DeliveryKey(Lane("whatsapp", 0), 1, 0)
        store.put_modifications([deletion])
        store.put_raw({("c", "m"): b"{}"})
        store.withdraw({key: Withdrawn(5, TAKEN_BACK)})
        assert store.modifications([("c", 1)]) == {("c", 1): [deletion]}
        assert store.raw("c", "m") == b"{}"
        assert store.withdrawn([key]) == {key: Withdrawn(5, TAKEN_BACK)}
        store.expire(100 * 86_400_000)
        assert store.modifications([("c", 1)]) == {}


def test_a_file_of_version_14_gains_what_is_kept_of_outgoing_webhooks(tmp_path: Path) -> None:
    """Endpoints, calls, recoveries and how far messages were told; what was kept stays."""
    settings, webhook = Settings(data=tmp_path), Webhook("w", "https://example.com", version=1)
    with upgraded(settings, 14, "webhooks", "webhook_changes", "webhook_calls", "webhook_recoveries", "webhook_told") as store:
        call, recovery = WebhookCall("w", "1", 5, "e", "test"), Recovery("r", "w", 0, 1, 9)
        assert store.webhooks_changed() == 0
        assert store.put_webhook(webhook)
        store.log_webhook_calls([call])
        store.add_recoveries([recovery])
        store.raise_told_seqs({0: 7})
        assert (store.webhooks(9), store.webhooks_changed()) == ([webhook], 1)
        assert (store.webhook_calls("w", 9), store.recoveries(0), store.told_seqs()) == ([call], [recovery], {0: 7})


def test_a_file_of_version_18_gains_connected_accounts(tmp_path: Path) -> None:
    """They may be kept there from then on; what was kept stays."""
    settings, account = Settings(data=tmp_path), ConnectedAccount("a", "whatsapp", "7", sealed=b"s")
    with upgraded(settings, 18, "accounts", "account_changes") as store:
        assert (store.accounts(9), store.accounts_changed()) == ([], 0)
        assert store.put_account(account, 0)
        assert (store.accounts(9), store.accounts_changed()) == ([account], 1)


def test_a_file_of_version_32_gains_apps(tmp_path: Path) -> None:
    """What is known of accounts stays, and so does their number."""
    settings, account = Settings(data=tmp_path), ConnectedAccount("a", "whatsapp", "7", sealed=b"s")
    before = SQLiteStore(settings)
    before.migrate()
    assert before.put_account(account, 0)
    before.close()
    with upgraded(settings, 32, "apps") as store:
        assert (store.accounts(9), store.apps(9)) == ([account], [])
        assert store.put_app(ProviderApp("p", "whatsapp"), 1)
        assert (store.apps(9), store.accounts_changed()) == ([ProviderApp("p", "whatsapp")], 2)


def test_a_file_of_version_22_keeps_replies(tmp_path: Path) -> None:
    """From then on."""
    settings = Settings(data=tmp_path)
    with upgraded(settings, 22, "saved_replies", "saved_reply_changes") as store:
        reply = SavedReply("r", "Greeting", "hello", "Hello")
        assert store.put_saved_reply(reply, 0)
        assert store.saved_replies() == [reply]


def test_a_file_of_version_23_gains_broadcasts(tmp_path: Path) -> None:
    """They are kept from then on; what was kept stays."""
    settings = Settings(data=tmp_path)
    with upgraded(settings, 23, "broadcasts", "broadcast_results") as store:
        assert store.put_broadcast(Broadcast("b", "", {}, "whatsapp", "vip", 1, "crm", 1, state="running"))
        assert [each.broadcast_id for each in store.running_broadcasts()] == ["b"]


def test_a_file_of_version_20_lists_its_contacts(tmp_path: Path) -> None:
    """Those that were there, too; what a team keeps about them is kept from then on."""
    settings = Settings(data=tmp_path)
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1), User("c-1", UserKind.CONTACT, 1)])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DROP TABLE contacts")
        db.execute("DROP TABLE contact_tags")
        db.execute("DROP INDEX contacts_by_id")
        db.execute("PRAGMA user_version=20")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert again.contact_page("", "", 9) == ["c-1"]
    again.change_profile("c-1", lambda there: replace(there, tags=("vip",)))
    assert again.contact_page("vip", "", 9) == ["c-1"]
    again.close()


def test_a_file_of_version_19_gains_what_waits_before_it_is_accepted(tmp_path: Path) -> None:
    """It is kept there from then on; what was kept stays."""
    settings = Settings(data=tmp_path)
    row = Deferred(Inbound("telegram", "a", "p", "1", "x", 1), 1, 2, "target")
    with upgraded(settings, 19, "deferred") as store:
        store.defer([row])
        assert store.deferred(2, 9) == [row]
