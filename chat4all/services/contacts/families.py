"""Who is the same person as whom: contacts together with those that were merged into them, many at once."""

from collections.abc import Iterable, Mapping

from chat4all.model.contacts import Profile
from chat4all.model.merges import Family, root_of
from chat4all.ports import MessageStore


def families(store: MessageStore, user_ids: Iterable[str]) -> dict[str, Family]:
    """That of each of these. Of who was never merged it is read with one look, as profiles are."""
    wanted = list(dict.fromkeys(user_ids))
    profiles = store.profiles(wanted) if wanted else {}
    while missing := {other for each in profiles.values() for other in _relatives(each)} - profiles.keys():
        profiles |= store.profiles(sorted(missing))
    roots = {each: root_of(each, profiles) for each in profiles}
    together: dict[str, dict[str, Profile]] = {}
    for each, root in roots.items():
        together.setdefault(root, {})[each] = profiles[each]
    return {each: Family(roots[each], together[roots[each]]) for each in wanted}


def alike(found: Mapping[str, Family], user_id: str) -> list[str]:
    """This user, and everybody who is the same person, as far as that was `found`."""
    others = found[user_id].members if user_id in found else ()
    return [user_id, *(each for each in others if each != user_id)]


def is_same_person(store: MessageStore, one: str, other: str) -> bool:
    """Whether these two users are one person: the same one, or contacts that were merged."""
    if one == other:
        return True
    found = families(store, (one, other))
    return found[one].root == found[other].root


def _relatives(profile: Profile) -> Iterable[str]:
    return (profile.merged.into, *profile.absorbed) if profile.merged else profile.absorbed
