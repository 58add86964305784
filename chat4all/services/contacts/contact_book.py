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
from chat4all.model.merges import Family
from chat4all.ports import MessageStore
from chat4all.services.contacts.consents import decide_consent
from chat4all.services.contacts.contact_events import touched
from chat4all.services.contacts.families import families
from chat4all.services.contacts.merging import merge, unmerge
from chat4all.services.refusals import Conflict, NoSuch, Wrong


class Contact(Struct, frozen=True):
    """A contact with its addresses, oldest claim first; with who was merged into it, as `family`, all of them together."""

    user: User
    addresses: Sequence[Identity]
    profile: Profile
    family: Family
    users: Mapping[str, User]


class ContactBook:
    """Lists, looks up and changes contacts. Thread-safe."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    def page(self, tag: str, after: str, limit: int) -> tuple[list[Contact], str]:
        """At most `limit` contacts with this tag ("": all); and what goes into `after` for the next page, "" at the end.

        A page of a tag may have fewer, where a contact has just lost it.
        """
        user_ids = self._store.contact_page(tag, after, limit)
        found = [each for name, each in self.named(user_ids).items() if each.family.stands_for_all(name, tag)]
        return found, user_ids[-1] if len(user_ids) == limit else ""

    def get(self, user_id: str) -> Contact:
        """This one, or the one that it was merged into. NoSuch: there is none."""
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
        check(given)
        there = self.get(user_id)
        root, called = there.family.root, there.user
        wanted = _named(given["display_name"], called) if "display_name" in given else called
        changing = partial(_changed, there.family, given, by, now, wanted != called)
        kept = self._store.change_profile(root, changing)
        # The root alone speaks for all from here on, and is called as they are.
        if wanted != called or kept.includes != there.family.profiles[root].includes:
            self._store.change_user(root, partial(_called, wanted))
        return self.get(root)

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
        """Have them blocked, or no longer, with whoever is the same person. NoSuch: there is none."""
        family = self.get(user_id).family
        others = [each for each in family.members if each != family.root]
        for each in others:
            self._store.change_profile(each, lambda there: _blocked(there, is_blocked, by, now))
        was_blocked = bool(family.whole.blocked_at)
        self._store.change_profile(family.root, lambda there: _told_blocked(there, is_blocked, was_blocked, by, now))
        return self.get(user_id)

    def merge(self, user_id: str, other: str, by: str, now: int) -> list[str]:
        """Have these two be one; whose news it is. Where they say something else, the first one's counts.

        NoSuch: there is no such contact. Wrong: no such other. Conflict `too_many_merged`.
        """
        self.get(user_id)
        if user_id == other or not self.of([other]):
            raise Wrong("contact_id", "another contact than the one in the path", "unknown_contact")
        return merge(self._store, user_id, other, by, now)

    def unmerge(self, user_id: str, other: str, by: str, now: int) -> list[str]:
        """Have them apart again; whose news it is. `other`: who leaves; "": whoever was merged last.

        NoSuch: there is no such contact. Wrong: the other is none of it. Conflict `not_merged`.
        """
        self.get(user_id)
        return unmerge(self._store, user_id, other, by, now)

    def of(self, user_ids: Sequence[str]) -> list[Contact]:
        """Those of these users that are contacts, in this order; who was merged as the one that they are, once."""
        return list({each.user.user_id: each for each in self.named(user_ids).values()}.values())

    def named(self, user_ids: Sequence[str]) -> dict[str, Contact]:
        """The same by the ids that were asked."""
        users = self._store.users(user_ids)
        ids = [each for each in user_ids if each in users and users[each].kind is UserKind.CONTACT]
        found = families(self._store, ids)
        members = list(dict.fromkeys(each for family in found.values() for each in family.members))
        users |= self._store.users([each for each in members if each not in users]) if set(members) - users.keys() else {}
        addresses = self._store.identities(members) if members else {}
        made: dict[str, Contact] = {}
        for family in found.values():
            if family.root not in made:
                owned = [place for each in family.members for place in addresses[each]]
                made[family.root] = Contact(family.called(users), owned, family.whole, family, users)
        return {each: made[found[each].root] for each in ids}


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


def _changed(family: Family, given: Mapping[str, Any], by: str, now: int, is_renamed: bool, there: Profile) -> Profile:
    version = given.get("version")
    if version is not None and version != there.version:
        raise Conflict("contact_changed", f"it is at version {there.version} now: look, and say it again")
    known = Family(family.root, {**family.profiles, family.root: there}).whole
    said = {
        "tags": tuple(sorted(set(given.get("tags", known.tags)))),
        "notes": given.get("notes", known.notes),
        "attributes": dict(given.get("attributes", known.attributes)),
        "time_zone": given.get("time_zone", known.time_zone),
    }
    if not is_renamed and all(getattr(known, name) == value for name, value in said.items()):
        return there
    direct = {each: merge.at for each, merge in family.merged if merge.into == family.root}
    return touched(now, by, replace(there, **said, includes=direct))


def _blocked(there: Profile, is_blocked: bool, by: str, now: int) -> Profile:
    if bool(there.blocked_at) is is_blocked:
        return there
    return replace(there, blocked_at=now if is_blocked else 0, blocked_by=by if is_blocked else "")


def _told_blocked(there: Profile, is_blocked: bool, was_blocked: bool, by: str, now: int) -> Profile:
    wanted = _blocked(there, is_blocked, by, now)
    return there if wanted == there and is_blocked is was_blocked else touched(now, by, wanted)


def _called(wanted: User, user: User) -> User:
    return replace(user, display_name=wanted.display_name, is_named=wanted.is_named)


def _named(name: str, user: User) -> User:
    """Called so by the team; without a name, as they call themselves from their next message on."""
    return replace(user, display_name=name, is_named=bool(name))
