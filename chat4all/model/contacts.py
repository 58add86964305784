"""What a team keeps about a contact beside name and addresses. Pure rules; no I/O."""

import re
from zoneinfo import available_timezones

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.workspaces import everybody, tag_list

TAGS_MOST = 50
TAG = re.compile(r"[^\s,]{1,50}")
NOTES_MOST = 4_000
ATTRIBUTES_MOST = 50
ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,49}")
ATTRIBUTE_MOST = 1_000

# What people write, alone, who want no more of them: the words that providers take for it, in English and Portuguese.
STOP_WORDS = frozenset({"stop", "stop all", "stopall", "unsubscribe", "opt out", "parar", "pare", "sair", "descadastrar"})
START_WORDS = frozenset({"start", "unstop", "subscribe", "voltar", "assinar"})
WORD_MOST = 20

Attribute = str | int | float | bool

# What events tell of contacts.
CREATED, UPDATED, CONSENT_CHANGED = "created", "updated", "consent_changed"
MERGED, UNMERGED = "merged", "unmerged"

GRANTED, REVOKED = "granted", "revoked"
CONSENTS = (GRANTED, REVOKED)
# How a consent became known: a word such as STOP, a switch in the provider's app, a provider's answer to a send, the team.
WORD, SETTING, ANSWER, TEAM = "word", "setting", "answer", "team"


class Consent(Struct, frozen=True, omit_defaults=True):
    """What a contact said of messages that they did not ask for, such as broadcasts, on a channel, at a time (ms UTC).

    `source`: WORD, SETTING, ANSWER or TEAM. `by`: who of the team said it for them; empty: they did.
    """

    state: str
    at: int
    source: str = WORD
    by: str = ""

    def newest(self, other: "Consent | None") -> "Consent":
        """Which of two stands: what was said last; at the same time no stands. In whatever order they are heard."""
        return max(self, other, key=lambda each: (each.at, each.state == REVOKED)) if other else self


# What an answer or a webhook of a provider says of an address, by the reason of a failed delivery: they blocked the account, or
# nobody is there any more. Of other reasons nobody can tell whether they last.
BLOCKED, GONE = "blocked", "gone"
UNREACHED = {"blocked": BLOCKED, **dict.fromkeys(("deactivated", "removed", "unknown_address"), GONE)}
# The list of all contacts of whom acceptance must know more than their addresses. No tag has a blank in it.
STANDING = " standing"


class Reach(Struct, frozen=True):
    """That an address is BLOCKED or GONE since a time (ms UTC), or can be reached again: `why` is empty then."""

    why: str
    at: int

    def newest(self, other: "Reach | None") -> "Reach":
        """Which of two stands: what was heard last; at the same time that it cannot be reached."""
        return max(self, other, key=lambda each: (each.at, each.why)) if other else self


class Merge(Struct, frozen=True, omit_defaults=True):
    """That a contact is the same person as `into`, whose id is smaller, since a time (ms UTC). `undone_at` 0: it holds.

    `by`, `undone_by`: whose doing it is; empty: their provider's. `leads`: where the two say something else, such as a name,
    what is kept of this one counts.
    """

    into: str
    at: int
    by: str = ""
    leads: bool = False
    undone_at: int = 0
    undone_by: str = ""


class Profile(Struct, frozen=True, omit_defaults=True):
    """Tags in their order, notes, attributes by name, and the time zone (IANA) of a contact. Times are ms UTC.

    `version` grows with each change; 0: nothing was ever kept. `changed_by`: the caller's user id; empty: the contact itself.
    `consents`: by channel; where there is none, nobody said anything. `unsaid`: changes that readers were not told yet.
    `blocked_at`: since when the team blocks them, 0: it does not. `reach`: what is known of addresses, each as channel:address.
    `merges`: into whom this one was merged, the newest last. `absorbed`: who may have been merged into this one; they say
    whether they are. `includes`: whose tags, notes, name and the like are in these, by when they were merged.
    """

    user_id: str
    version: int = 0
    changed_at: int = 0
    changed_by: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    attributes: dict[str, Attribute] = {}
    time_zone: str = ""
    consents: dict[str, Consent] = {}
    unsaid: tuple[str, ...] = ()
    blocked_at: int = 0
    blocked_by: str = ""
    reach: dict[str, Reach] = {}
    merges: tuple[Merge, ...] = ()
    absorbed: tuple[str, ...] = ()
    includes: dict[str, int] = {}

    @property
    def merged(self) -> Merge | None:
        """The merge that holds, if one does."""
        return self.merges[-1] if self.merges and not self.merges[-1].undone_at else None

    @property
    def lists(self) -> set[str]:
        """The lists that it is in: those of its tags, and STANDING."""
        stands_out = self.blocked_at or self.reach or self.merges or self.absorbed
        names = {*self.tags, STANDING} if stands_out else self.tags
        return {tag_list(self.user_id, each) for each in names}

    def reached(self, place: tuple[str, str], heard: Reach) -> "Profile":
        """The same with this heard of a (channel, address). What can be reached, as far as was known, needs no word."""
        name = ":".join(place)
        known = self.reach.get(name)
        return replace(self, reach=self.reach | {name: heard.newest(known)}) if heard.why or known else self

    def unreached(self, identity: Identity) -> str:
        """Why nothing reaches this address: BLOCKED, by the team or by them, or GONE; empty: nothing speaks against it."""
        return BLOCKED if self.blocked_at else self.heard_of(identity)

    def heard_of(self, identity: Identity) -> str:
        """The same of what providers say alone. Who has written since can be reached."""
        known = self.reach.get(f"{identity.channel}:{identity.address}")
        return known.why if known and known.at > identity.last_wrote_at else ""

    def followed(self, wanted: "Profile") -> "Profile":
        """The profile that is kept after this one, as it is wanted: that something was told is no change of a contact."""
        is_same = replace(wanted, unsaid=()) == replace(self, unsaid=())
        return replace(wanted, version=self.version if is_same else self.version + 1)

    def changing(self, wanted: "Profile", what: str) -> "Profile":
        """As it is wanted, to be told as `what`; the same if nothing is otherwise."""
        return replace(wanted, unsaid=tuple(dict.fromkeys((*self.unsaid, what)))) if wanted != self else self

    def consent(self, channel: str) -> str:
        """GRANTED, REVOKED, or empty: nobody said anything. Broadcasts pass over whoever has REVOKED it."""
        there = self.consents.get(channel)
        return there.state if there else ""

    @property
    def opted_out(self) -> list[str]:
        """The channels on which they want nothing that they did not ask for."""
        return sorted(each for each in self.consents if self.consent(each) == REVOKED)

    def consenting(self, channel: str, said: Consent) -> "Profile":
        """The same with this said of a channel, if nothing newer was."""
        return replace(self, consents=self.consents | {channel: said.newest(self.consents.get(channel))})


class _Older(Struct, frozen=True):
    """What older rows say in place of consents: channels, and when the contact last wrote STOP or START on each."""

    changed_at: int = 0
    opted_out: tuple[str, ...] = ()
    word_at: dict[str, int] = {}

    @property
    def consents(self) -> dict[str, Consent]:
        return {
            channel: Consent(REVOKED if channel in self.opted_out else GRANTED, self.word_at.get(channel, self.changed_at))
            for channel in (*self.opted_out, *self.word_at)
        }


_profile = msgspec.json.Decoder(Profile).decode
_older = msgspec.json.Decoder(_Older).decode


def read_profile(body: str) -> Profile:
    """A profile as this code wrote it, or older code."""
    kept, older = _profile(body), _older(body).consents
    return replace(kept, consents=older | kept.consents) if older else kept


def is_listed(user: User) -> bool:
    """Whether a new user goes into the list of all contacts of its workspace: those of `default` are found among all users."""
    return user.kind is UserKind.CONTACT and bool(everybody(user.user_id))


def fault_of_tags(tags: list[str]) -> str:
    """Why a contact may not have these tags; empty: it may."""
    if len(tags) <= TAGS_MOST and all(TAG.fullmatch(each) for each in tags):
        return ""
    return f"at most {TAGS_MOST} tags of 1 to 50 characters, without blanks and commas"


def fault_of_attributes(attributes: dict[str, Attribute]) -> str:
    """Why a contact may not have these attributes; empty: it may."""
    if len(attributes) > ATTRIBUTES_MOST:
        return f"at most {ATTRIBUTES_MOST} attributes"
    if not all(ATTRIBUTE_NAME.fullmatch(each) for each in attributes):
        return "a name begins with a letter, and has at most 50 letters, digits, and _ . -"
    if any(isinstance(each, str) and len(each) > ATTRIBUTE_MOST for each in attributes.values()):
        return f"a text has at most {ATTRIBUTE_MOST:,} characters"
    return ""


def is_time_zone(name: str) -> bool:
    """Whether there is such a time zone, as the IANA calls it."""
    return name in available_timezones()


def asks_to_stop(text: str) -> bool | None:
    """Whether these words ask for no more broadcasts; False: for broadcasts again; None: neither."""
    word = text.strip(" .!\"'\n\t").casefold() if len(text) <= WORD_MOST else ""
    if word in STOP_WORDS:
        return True
    return False if word in START_WORDS else None
