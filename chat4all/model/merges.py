"""Contacts that are one person: what is true of those who were merged together. Pure rules; no I/O.

A merge is a fact of the contact with the larger id, which names the one with the smaller; nothing else is rewritten. So no two
merges, whoever says them at once, make a circle, and undoing one leaves each with what was theirs.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.contacts import REVOKED, Consent, Merge, Profile, Reach
from chat4all.model.conversations import User

# How many contacts may ever have been merged into one: all of them are read with it.
MERGED_MOST = 100


class Family(Struct, frozen=True):
    """A contact, `root`, and all that are merged into it, by id; `profiles`: what is kept of each."""

    root: str
    profiles: Mapping[str, Profile]

    @property
    def members(self) -> list[str]:
        """All of them, the root first."""
        return [self.root, *sorted(self.profiles.keys() - {self.root})]

    @property
    def merged(self) -> list[tuple[str, Merge]]:
        """Who was merged, and how: the newest last."""
        found = [(each, profile.merged) for each, profile in self.profiles.items() if each != self.root and profile.merged]
        return sorted(found, key=lambda each: (each[1].at, each[0]))

    @property
    def whole(self) -> Profile:
        """What is kept of all of them together, as of the root."""
        own = self.profiles[self.root]
        if len(self.profiles) == 1:
            return own
        said = [self.profiles[each] for each in self.speaking]
        notes = dict.fromkeys(each.notes for each in said if each.notes)
        blocked = next((each for each in map(self.profiles.__getitem__, self.members) if each.blocked_at), own)
        return replace(
            own,
            tags=tuple(sorted({tag for each in said for tag in each.tags})),
            notes="\n\n".join(notes),
            attributes={name: value for each in reversed(said) for name, value in each.attributes.items()},
            time_zone=next((each.time_zone for each in said if each.time_zone), ""),
            consents=self._consents(self.root),
            blocked_at=blocked.blocked_at,
            blocked_by=blocked.blocked_by,
            reach=_reach(self.profiles.values()),
        )

    @property
    def speaking(self) -> list[str]:
        """Of whom names, tags, notes and the like count: where two say something else, the first one's.

        Who is not among them was merged before the team changed what is kept of all.
        """
        return self._speaking(self.root)

    def called(self, users: Mapping[str, User]) -> User:
        """The root as all of them are called: as the team calls one of them, else as they call themselves."""
        named = [users[each] for each in self.speaking if each in users and users[each].display_name]
        others = [users[each] for each in self.members if each in users and users[each].display_name]
        best = next((each for each in named if each.is_named), next(iter((*named, *others)), users[self.root]))
        return replace(users[self.root], display_name=best.display_name, is_named=best.is_named)

    def tagged(self, tag: str) -> list[str]:
        """Who of them is in the tag's list, though the tag may be none of all of them any more."""
        return sorted(each for each, profile in self.profiles.items() if tag in profile.tags)

    def stands_for_all(self, user_id: str, tag: str) -> bool:
        """Whether in the tag's list ("": of all contacts) this one is there for all of them: so that they are there once."""
        if not tag:
            return user_id == self.root
        return tag in self.whole.tags and self.tagged(tag)[:1] == [user_id]

    def _merged_into(self, user_id: str) -> list[tuple[str, Merge]]:
        return [(each, merge) for each, merge in self.merged if merge.into == user_id]

    def _speaking(self, user_id: str) -> list[str]:
        order = [user_id]
        for each, merge in self._merged_into(user_id):
            if self.profiles[user_id].includes.get(each) != merge.at:
                order = [*self._speaking(each), *order] if merge.leads else [*order, *self._speaking(each)]
        return order

    def _consents(self, user_id: str) -> dict[str, Consent]:
        said = dict(self.profiles[user_id].consents)
        for each, merge in self._merged_into(user_id):
            for channel, other in self._consents(each).items():
                said[channel] = stricter(said[channel], other, merge.at) if channel in said else other
        return said


def stricter(one: Consent, other: Consent, merged_at: int) -> Consent:
    """Which of two stands for both: what was said last, if it was after they were merged; else that they want nothing."""
    newest = one.newest(other)
    return newest if newest.at > merged_at else max(one, other, key=lambda each: (each.state == REVOKED, each.at))


def _reach(profiles: Iterable[Profile]) -> dict[str, Reach]:
    found: dict[str, Reach] = {}
    for each in profiles:
        found |= {place: heard.newest(found.get(place)) for place, heard in each.reach.items()}
    return found


def family_of(user_id: str, profiles: Mapping[str, Profile]) -> Family:
    """That of this one, of `profiles` that have all of it."""
    root = root_of(user_id, profiles)
    return Family(root, {each: profile for each, profile in profiles.items() if root_of(each, profiles) == root})


def root_of(user_id: str, profiles: Mapping[str, Profile]) -> str:
    """Into whom this one is merged in the end; itself, if into nobody. Ids grow smaller on the way, so there is an end."""
    while merge := profiles[user_id].merged:
        user_id = merge.into
    return user_id
