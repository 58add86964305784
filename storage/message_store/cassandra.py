"""The message store on Cassandra or ScyllaDB."""

from chat4all.ports.message_store import Expired, MessageStore
from chat4all.settings import Settings
from storage.message_store.cassandra_access import CassandraAccess
from storage.message_store.cassandra_accounts import CassandraAccounts
from storage.message_store.cassandra_broadcasts import CassandraBroadcasts
from storage.message_store.cassandra_changes import CassandraChanges
from storage.message_store.cassandra_cluster import parse
from storage.message_store.cassandra_contacts import CassandraContacts
from storage.message_store.cassandra_deferred import CassandraDeferrals
from storage.message_store.cassandra_deferred_records import CassandraDeferredRecords
from storage.message_store.cassandra_deliveries import CassandraDeliveries
from storage.message_store.cassandra_directory import CassandraDirectory
from storage.message_store.cassandra_files import CassandraFiles
from storage.message_store.cassandra_handling import CassandraHandlings
from storage.message_store.cassandra_history import CassandraHistory
from storage.message_store.cassandra_holds import CassandraHolds
from storage.message_store.cassandra_modifications import CassandraModifications
from storage.message_store.cassandra_presence import CassandraPresences
from storage.message_store.cassandra_progress import CassandraProgress
from storage.message_store.cassandra_raw_parts import CassandraRawParts
from storage.message_store.cassandra_saved_replies import CassandraSavedReplies
from storage.message_store.cassandra_schema import applied, migrate, migrations
from storage.message_store.cassandra_session import Session
from storage.message_store.cassandra_templates import CassandraTemplates
from storage.message_store.cassandra_uploads import CassandraUploads
from storage.message_store.cassandra_webhooks import CassandraWebhooks
from storage.message_store.cassandra_workspaces import CassandraWorkspaces
from storage.message_store.known import Known

PASSWORD = "store"  # noqa: S105 - the name of the secret


class CassandraStore(
    CassandraDirectory,
    CassandraContacts,
    CassandraBroadcasts,
    CassandraTemplates,
    CassandraHandlings,
    CassandraAccess,
    CassandraHistory,
    CassandraModifications,
    CassandraRawParts,
    CassandraDeferrals,
    CassandraDeferredRecords,
    CassandraHolds,
    CassandraChanges,
    CassandraDeliveries,
    CassandraProgress,
    CassandraFiles,
    CassandraUploads,
    CassandraWebhooks,
    CassandraAccounts,
    CassandraSavedReplies,
    CassandraWorkspaces,
    CassandraPresences,
    MessageStore,
):
    """The keyspace that `settings.store` names. Connects when it is first needed, and anew after a fork.

    A node that does not answer in 5 s is Temporary `store`; one that dies and returns is found again.
    """

    def __init__(self, settings: Settings) -> None:
        place = parse(settings.store)
        self._kept, self._calls_limit = settings.retention, settings.webhook_calls_limit
        self._db = Session(place, settings.secret(PASSWORD) if place.user else "")
        self._message_buckets, self._delivery_buckets, self._minutes, self._active = Known(), Known(), Known(), Known()
        self._earliest = {}

    def migrate(self) -> None:
        migrate(self._db, migrations())

    def expire(self, now_ms: int) -> Expired:
        """Rows expire by themselves; what is left to do is to tell which receipts were for nothing, and to count letters."""
        letters = self.letters_gone(now_ms)
        return Expired(self.unclaimed(now_ms), {"letters": letters} if letters else {})

    def check(self) -> str:
        number = max(applied(self._db), default=0)
        nodes = self._db.cluster.metadata.all_hosts()
        up = [each for each in nodes if each.is_up]
        versions = ", ".join(sorted({str(each.release_version) for each in up}))
        place = self._db.place
        return f"Cassandra {versions} at {place}: {len(up)} of {len(nodes)} nodes up, {place.consistency}, schema {number}"

    def close(self) -> None:
        self._db.close()
