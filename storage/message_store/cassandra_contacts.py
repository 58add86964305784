"""Profiles of contacts and lists of contacts, in Cassandra.

Rows of tags are written, and deleted, at the version of the profile that they follow from, so that the newest one decides
whoever writes last. They are there before the profile is, and those that it ends go after it.
"""

from collections.abc import Callable, Sequence

import msgspec

from chat4all.model.contacts import Profile, read_profile
from chat4all.model.conversations import UserKind
from chat4all.ports.contacts import Contacts
from storage.message_store.cassandra_rows import Register
from storage.message_store.cassandra_session import Session

PROFILES = Register("contacts", "user_id")
TAG = "INSERT INTO contact_tags (tag, user_id) VALUES (?, ?) USING TIMESTAMP ?"
UNTAG = "DELETE FROM contact_tags USING TIMESTAMP ? WHERE tag = ? AND user_id = ?"
TAGGED = "SELECT user_id FROM contact_tags WHERE tag = ? AND user_id > ? LIMIT ?"
# The first page of the whole ring: a token is never less than this.
USERS = "SELECT user_id, body FROM users WHERE token(user_id) >= -9223372036854775808 LIMIT ?"
USERS_AFTER = "SELECT user_id, body FROM users WHERE token(user_id) > token(?) LIMIT ?"
# Users looked at in one step for contacts among them: few of a deployment's users are none.
STEP = 500


class Kind(msgspec.Struct):
    """Of a user what says whether it is a contact."""

    kind: UserKind


_kind = msgspec.json.Decoder(Kind).decode
Key = tuple[str, ...]


class CassandraContacts(Contacts):
    """The part of the store that knows contacts. All of them come by their hash, those of a tag by their id."""

    _db: Session

    def profiles(self, user_ids: Sequence[str]) -> dict[str, Profile]:
        kept = PROFILES.read(self._db, [(each,) for each in user_ids])
        return {each: Profile(each) for each in user_ids} | {user_id: read_profile(body) for (user_id,), body in kept.items()}

    def change_profile(self, user_id: str, change: Callable[[Profile], Profile]) -> Profile:
        def read(body: str | None) -> Profile:
            return read_profile(body) if body else Profile(user_id)

        def changed(before: Profile) -> Profile:
            wanted = change(before)
            if wanted == before:
                return before
            kept = before.followed(wanted)
            lists = sorted(kept.lists)
            self._db.put((("contact_tags", each), TAG, (each, user_id, kept.version)) for each in lists)
            return kept

        before, kept, ours = PROFILES.change(self._db, (user_id,), read, changed)
        if ours:
            gone = sorted(before.lists - kept.lists)
            self._db.put((("contact_tags", each), UNTAG, (kept.version, each, user_id)) for each in gone)
        return kept

    def contact_page(self, tag: str, after: str, limit: int) -> list[str]:
        if tag:
            return [user_id for (user_id,) in self._db.rows(TAGGED, tag, after, limit)]
        found: list[str] = []
        while len(found) < limit:
            rows = self._db.rows(USERS_AFTER, after, STEP) if after else self._db.rows(USERS, STEP)
            found += [user_id for user_id, body in rows if body and _kind(body).kind is UserKind.CONTACT]
            if len(rows) < STEP:
                break
            after = rows[-1][0]
        return found[:limit]
