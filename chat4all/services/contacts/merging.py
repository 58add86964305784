"""Merges contacts that are one person, and undoes it. Nothing that was said, and no address, is rewritten."""

from functools import partial

from msgspec.structs import replace

from chat4all.model.contacts import MERGED, UNMERGED, Merge, Profile
from chat4all.model.merges import MERGED_MOST, Family
from chat4all.ports import MessageStore
from chat4all.services.contacts.contact_events import touched
from chat4all.services.contacts.families import families
from chat4all.services.refusals import Conflict, Wrong

# Merges of one contact that were undone, and are kept to be looked at.
KEPT_MOST = 20


def merge(store: MessageStore, user_id: str, other: str, by: str, now: int) -> list[str]:
    """Have these two contacts be one; whose news it is. Where they say something else, the first one's counts.

    The one with the larger id says that it is the other. Only who is merged into nobody can be merged, by compare-and-set: of
    two merges at once one is looked at again. Conflict `too_many_merged`.
    """
    while True:
        found = families(store, [user_id, other])
        first, second = found[user_id], found[other]
        if first.root == second.root:
            return _settled(store, first, now, by)
        if len(first.profiles) + len(second.profiles) > MERGED_MOST:
            raise Conflict("too_many_merged", f"at most {MERGED_MOST} contacts can be one")
        into, leaving = sorted((first.root, second.root))
        before = (first if leaving == first.root else second).profiles[leaving]
        at = max(now, before.merges[-1].at + 1 if before.merges else 0)
        made = Merge(into, at, by, leads=leaving == first.root)
        # First that it may be there: who reads the one finds the other from the moment that it is.
        there = store.change_profile(into, partial(_expecting, leaving))
        if len(there.absorbed) > MERGED_MOST:
            raise Conflict("too_many_merged", f"at most {MERGED_MOST} contacts can be one")
        if store.change_profile(leaving, partial(_merged, made)).merged == made:
            store.change_profile(into, partial(touched, now, by))
            return [leaving, into]


def unmerge(store: MessageStore, user_id: str, other: str, by: str, now: int) -> list[str]:
    """Have a merge undone; whose news it is. `other`: who leaves, with all that were merged into them before; "": this one
    itself, or, where the others were merged into it, whoever was last.

    Wrong: they are not one. Conflict `not_merged`: nobody was merged.
    """
    family = families(store, [user_id])[user_id]
    if not family.merged:
        raise Conflict("not_merged", "this contact is one with no other")
    leaving = other or (user_id if user_id != family.root else family.merged[-1][0])
    if leaving not in family.profiles or leaving == family.root:
        raise Wrong("contact_id", "one that was merged into this contact", "not_merged")
    seen = family.profiles[leaving].merged
    kept = store.change_profile(leaving, partial(_parted, seen, by, now))
    store.change_profile(family.root, partial(_without, leaving, by, now))
    return [kept.user_id, family.root]


def _settled(store: MessageStore, family: Family, now: int, by: str) -> list[str]:
    """They are one already. Who said so first may have died before it was told."""
    untold = [each for each, _ in family.merged if MERGED in family.profiles[each].unsaid]
    if untold:
        store.change_profile(family.root, partial(touched, now, by))
    return [*untold, family.root]


def _expecting(other: str, there: Profile) -> Profile:
    return there if other in there.absorbed else replace(there, absorbed=(*there.absorbed, other))


def _merged(made: Merge, there: Profile) -> Profile:
    if there.merged:
        return there
    wanted = replace(there, merges=(*there.merges[1 - KEPT_MOST :], made), changed_at=made.at, changed_by=made.by)
    return there.changing(wanted, MERGED)


def _parted(seen: Merge | None, by: str, now: int, there: Profile) -> Profile:
    if there.merged is None or there.merged != seen:
        return there
    undone = replace(there.merged, undone_at=max(now, there.merged.at + 1), undone_by=by)
    wanted = replace(there, merges=(*there.merges[:-1], undone), changed_at=now, changed_by=by)
    return there.changing(wanted, UNMERGED)


def _without(other: str, by: str, now: int, there: Profile) -> Profile:
    kept = replace(there, includes={each: at for each, at in there.includes.items() if each != other})
    return touched(now, by, kept)
