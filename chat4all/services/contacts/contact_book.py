"""Contacts as a team sees them: who they are, how they are reached, and what is kept about them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chat4all.channels import CHANNELS
from chat4all.model.contacts import Profile, fault_of_attributes, fault_of_tags, is_time_zone
from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.display_names import NAME_MOST, cleaned, fault
from chat4all.ports import MessageStore
from chat4all.services.contacts.consents import decide_consent
from chat4all.services.contacts.contact_events import touched
from chat4all.services.refusals import Conflict, NoSuch, Wrong


class Contact(Struct, frozen=True):
    """A contact with its addresses, oldest claim first."""

    user: User
    addresses: Sequence[Identity]
    profile: Profile


class ContactBook:
    """Lists, looks up and changes contacts. Thread-safe."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    def page(self, tag: str, after: str, limit: int) -> tuple[list[Contact], str]:
        """At most `limit` contacts with this tag ("": all); and what goes into `after` for the next page, "" at the end.

        A page of a tag may have fewer, where a contact has just lost it.
        """
        user_ids = self._store.contact_page(tag, after, limit)
        found = [each for each in self.of(user_ids) if not tag or tag in each.profile.tags]
        return found, user_ids[-1] if len(user_ids) == limit else ""

    def get(self, user_id: str) -> Contact:
        """This one. NoSuch: there is none."""
        found = self.of([user_id])
        if not found:
            raise NoSuch(user_id)
        return found[0]

    def at(self, place: tuple[str, str]) -> list[Contact]:
        """Whose this (channel, address) is; empty: nobody's, or no contact's."""
        owner = self._store.owners([place]).get(place)
        return self.of([owner.user_id]) if owner else []

    def change(self, user_id: str, given: Mapping[str, Any], by: str, now: int) -> Contact:
        """Change what is `given`, by the names of the API, if it is at the `version` that is given, if one is.

        NoSuch: there is none. Wrong: what cannot be. Conflict `contact_changed`: it is at another version.
        """
        user = self.get(user_id).user
        check(given)
        is_renamed = "display_name" in given and _named(given["display_name"], user) != user
        self._store.change_profile(user_id, lambda there: _changed(there, given, by, now, is_renamed))
        if is_renamed:
            self._store.change_user(user_id, partial(_named, given["display_name"]))
        return self.get(user_id)

    def consent(self, user_id: str, channel: str, state: str, by: str) -> Contact:
        """Have it kept that they want, or do not want, what they did not ask for on a channel. NoSuch: there is none.

        Wrong: there is no such channel.
        """
        self.get(user_id)
        if channel not in CHANNELS:
            raise Wrong("channel", f"one of: {', '.join(CHANNELS)}", "unknown_channel")
        decide_consent(self._store, user_id, channel, state, by)
        return self.get(user_id)

    def block(self, user_id: str, is_blocked: bool, by: str, now: int) -> Contact:
        """Have them blocked, or no longer. NoSuch: there is none."""
        self.get(user_id)
        self._store.change_profile(user_id, lambda there: _blocked(there, is_blocked, by, now))
        return self.get(user_id)

    def of(self, user_ids: Sequence[str]) -> list[Contact]:
        """Those of these users that are contacts, in this order."""
        users = self._store.users(user_ids)
        ids = [each for each in user_ids if each in users and users[each].kind is UserKind.CONTACT]
        addresses, profiles = self._store.identities(ids), self._store.profiles(ids)
        return [Contact(users[each], addresses[each], profiles[each]) for each in ids]


def check(given: Mapping[str, Any]) -> None:
    """Wrong: what cannot be of what is to be kept about a contact."""
    name = given.get("display_name", "")
    if why := fault(name):
        raise Wrong("display_name", why, "bad_name")
    if len(name) > NAME_MOST or name != cleaned(name):
        raise Wrong("display_name", f"one line of at most {NAME_MOST} characters, without blanks around it", "bad_name")
    if why := fault_of_tags(given.get("tags", [])):
        raise Wrong("tags", why)
    if why := fault_of_attributes(given.get("attributes", {})):
        raise Wrong("attributes", why)
    if given.get("time_zone") and not is_time_zone(given["time_zone"]):
        raise Wrong("time_zone", "a time zone as the IANA calls it, such as America/Sao_Paulo")


def _changed(there: Profile, given: Mapping[str, Any], by: str, now: int, is_renamed: bool) -> Profile:
    version = given.get("version")
    if version is not None and version != there.version:
        raise Conflict("contact_changed", f"it is at version {there.version} now: look, and say it again")
    changed = replace(
        there,
        tags=tuple(sorted(set(given.get("tags", there.tags)))),
        notes=given.get("notes", there.notes),
        attributes=dict(given.get("attributes", there.attributes)),
        time_zone=given.get("time_zone", there.time_zone),
    )
    return touched(now, by, changed) if is_renamed or changed != there else there


def _blocked(there: Profile, is_blocked: bool, by: str, now: int) -> Profile:
    if bool(there.blocked_at) is is_blocked:
        return there
    wanted = replace(there, blocked_at=now if is_blocked else 0, blocked_by=by if is_blocked else "")
    return touched(now, by, wanted)


def _named(name: str, user: User) -> User:
    """Called so by the team; without a name, as they call themselves from their next message on."""
    return replace(user, display_name=name, is_named=bool(name))
