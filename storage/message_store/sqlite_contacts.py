"""Profiles of contacts and lists of contacts, in SQLite. A change and the lists that follow from it are one transaction."""

from collections.abc import Callable, Sequence

from chat4all.model.contacts import Profile, read_profile
from chat4all.ports.contacts import Contacts
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

PROFILES = Lookup("body", "CROSS JOIN contacts USING (user_id)", "user_id")
PROFILE = "SELECT body FROM contacts WHERE user_id = ?"
PUT = "INSERT OR REPLACE INTO contacts VALUES (?, ?)"
TAG = Write("INSERT INTO contact_tags VALUES {rows} ON CONFLICT DO NOTHING", 2)
UNTAG = "DELETE FROM contact_tags WHERE tag = ? AND user_id = ?"
# The condition is the one of the index contacts_by_id.
ALL = "SELECT user_id FROM users WHERE json_extract(body, '$.kind') = 'contact' AND user_id > ? ORDER BY user_id LIMIT ?"
TAGGED = "SELECT user_id FROM contact_tags WHERE tag = ? AND user_id > ? ORDER BY user_id LIMIT ?"


class SQLiteContacts(Contacts):
    """The part of the store that knows contacts."""

    _db: Connections

    def profiles(self, user_ids: Sequence[str]) -> dict[str, Profile]:
        with self._db.read() as db:
            rows = PROFILES(db, [(each,) for each in user_ids])
        return {each: Profile(each) for each in user_ids} | {user_id: read_profile(body) for (user_id,), (body,) in rows}

    def change_profile(self, user_id: str, change: Callable[[Profile], Profile]) -> Profile:
        with self._db.write() as db:
            row = db.execute(PROFILE, (user_id,)).fetchone()
            there = read_profile(row[0]) if row else Profile(user_id)
            wanted = change(there)
            if wanted == there:
                return there
            kept = there.followed(wanted)
            db.execute(PUT, (user_id, as_json(kept)))
            db.executemany(UNTAG, [(each, user_id) for each in sorted(there.lists - kept.lists)])
            TAG(db, [(each, user_id) for each in sorted(kept.lists)])
        return kept

    def contact_page(self, tag: str, after: str, limit: int) -> list[str]:
        query, values = (TAGGED, (tag, after, limit)) if tag else (ALL, (after, limit))
        with self._db.read() as db:
            return [user_id for (user_id,) in fetched(db, "user_id", query, values)]
