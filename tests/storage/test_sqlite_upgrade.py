"""An embedded store of an older version is brought up to date."""

import sqlite3
from pathlib import Path

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
from chat4all.ports import ConnectedAccount, Deferred, Inbound, Recovery, Waiting, Webhook, WebhookCall
from chat4all.settings import Settings
from storage.message_store.sqlite import SQLiteStore


def test_a_file_of_version_1_gains_the_tables_for_files(tmp_path: Path) -> None:
    """What was kept stays, and files can be kept."""
    settings, bob = Settings(data=tmp_path), User("bob", UserKind.PERSON, 1)
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([bob])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        for table in ("files", "objects", "object_holders"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version=1")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    row = StoredFile("f", "c", "bob", "a.txt", "text/plain", 1, 1, 1)
    assert again.add_files([row]) == [row]
    assert again.users(["bob"]) == {"bob": bob}
    again.close()


def test_a_file_of_version_2_gains_sessions_and_lists_its_clients(tmp_path: Path) -> None:
    """Service clients that were made before are found by name; people are not among them."""
    settings = Settings(data=tmp_path)
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1), User("shop", UserKind.CLIENT, 1, scopes=("send",))])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        for table in ("sessions", "generation", "revocations", "holdings"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version=2")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert [each.thing for each in again.holdings("", "client")] == ["shop"]
    assert again.revoke([Revocation("s")], 60) == again.generation() == 1
    again.close()


def test_a_file_of_version_16_gains_prices(tmp_path: Path) -> None:
    """Its deliveries can be priced, and what was said of a price outlives the row; what was known before stays."""
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
            for column in ("priced_at", "price"):
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        # Of the older file: one that knows fewer columns.
        db.execute("CREATE TRIGGER deliveries_outcome BEFORE DELETE ON deliveries BEGIN DELETE FROM outcomes WHERE 0; END")
        db.execute("PRAGMA user_version=16")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert again.deliveries([old])[old].facts == Facts(sent_at=5, provider_id="p")
    again.record({new: Facts(sent_at=6, priced_at=7, price="free - -")})
    again.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DELETE FROM deliveries")
    db.close()
    once_more = SQLiteStore(settings)
    kept = once_more.outcomes([old, new])
    assert kept == {old: Facts(sent_at=5, provider_id="p"), new: Facts(sent_at=6, priced_at=7, price="free - -")}
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
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1)])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        for table in ("modifications", "raw_parts", "withdrawals", "provider_uploads"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version=10")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    deletion, key = Modification("c", 1, 2, 5, Deletion("m")), DeliveryKey(Lane("whatsapp", 0), 1, 0)
    again.put_modifications([deletion])
    again.put_raw({("c", "m"): b"{}"})
    again.withdraw({key: Withdrawn(5, TAKEN_BACK)})
    assert again.modifications([("c", 1)]) == {("c", 1): [deletion]}
    assert again.raw("c", "m") == b"{}"
    assert again.withdrawn([key]) == {key: Withdrawn(5, TAKEN_BACK)}
    assert again.users(["bob"])
    again.expire(100 * 86_400_000)
    assert again.modifications([("c", 1)]) == {}
    again.close()


def test_a_file_of_version_14_gains_what_is_kept_of_outgoing_webhooks(tmp_path: Path) -> None:
    """Endpoints, calls, recoveries and how far messages were told; what was kept stays."""
    settings, webhook = Settings(data=tmp_path), Webhook("w", "https://example.com", version=1)
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1)])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        for table in ("webhooks", "webhook_changes", "webhook_calls", "webhook_recoveries", "webhook_told"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version=14")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    call, recovery = WebhookCall("w", "1", 5, "e", "test"), Recovery("r", "w", 0, 1, 9)
    assert again.webhooks_changed() == 0
    assert again.put_webhook(webhook)
    again.log_webhook_calls([call])
    again.add_recoveries([recovery])
    again.raise_told_seqs({0: 7})
    assert (again.webhooks(9), again.webhooks_changed()) == ([webhook], 1)
    assert (again.webhook_calls("w", 9), again.recoveries(0), again.told_seqs()) == ([call], [recovery], {0: 7})
    assert again.users(["bob"])
    again.close()


def test_a_file_of_version_18_gains_connected_accounts(tmp_path: Path) -> None:
    """They may be kept there from then on; what was kept stays."""
    settings, account = Settings(data=tmp_path), ConnectedAccount("a", "whatsapp", "7", sealed=b"s")
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1)])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        for table in ("accounts", "account_changes"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version=18")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert (again.accounts(9), again.accounts_changed()) == ([], 0)
    assert again.put_account(account, 0)
    assert (again.accounts(9), again.accounts_changed()) == ([account], 1)
    assert again.users(["bob"])
    again.close()


def test_a_file_of_version_22_keeps_replies(tmp_path: Path) -> None:
    """From then on."""
    settings = Settings(data=tmp_path)
    store = SQLiteStore(settings)
    store.migrate()
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DROP TABLE saved_replies")
        db.execute("DROP TABLE saved_reply_changes")
        db.execute("PRAGMA user_version=22")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    reply = SavedReply("r", "Greeting", "hello", "Hello")
    assert again.put_saved_reply(reply, 0)
    assert again.saved_replies() == [reply]
    again.close()


def test_a_file_of_version_23_gains_broadcasts(tmp_path: Path) -> None:
    """They are kept from then on; what was kept stays."""
    settings = Settings(data=tmp_path)
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1)])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DROP TABLE broadcasts")
        db.execute("DROP TABLE broadcast_results")
        db.execute("PRAGMA user_version=23")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    assert again.put_broadcast(Broadcast("b", "", {}, "whatsapp", "vip", 1, "crm", 1, state="running"))
    assert [each.broadcast_id for each in again.running_broadcasts()] == ["b"]
    assert again.users(["bob"])
    again.close()


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
    store = SQLiteStore(settings)
    store.migrate()
    store.add_users([User("bob", UserKind.PERSON, 1)])
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("DROP TABLE deferred")
        db.execute("PRAGMA user_version=19")
    db.close()
    again = SQLiteStore(settings)
    again.migrate()
    again.defer([row])
    assert again.deferred(2, 9) == [row]
    assert again.users(["bob"])
    again.close()
