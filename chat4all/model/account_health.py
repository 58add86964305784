"""How well an account at a provider is: what the provider says of it, and what somebody should do. Pure."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from chat4all.model.advice import advice as mend_of
from chat4all.model.causes import SUSPENDS_ACCOUNT
from chat4all.model.clock import DAY_MS

# Since when somebody is told that a token ends: a renewal that fails each day has failed for some days by then.
ENDS_SOON_MS = 14 * DAY_MS
# What a provider calls an account that is well.
WELL = frozenset({"", "GREEN", "HIGH", "UNKNOWN", "NA"})
# Notes that a provider's webhooks and checks bring, by name; times are ms UTC. An empty text takes one back.
UNTIL, RENEWED = "credentials_until", "credentials_renewed_at"
QUALITY, TIER, THROUGHPUT = "quality", "tier", "throughput"
RESTRICTION, ALERT, TEMPLATE, NOTED = "restriction", "alert", "template_trouble", "noted_at"
# Why nothing is sent from it for now, after what the provider answered to a message, and until when.
SUSPENDED, SUSPENDED_UNTIL = "suspended", "suspended_until"
NOT_SUSPENDED = {SUSPENDED: "", SUSPENDED_UNTIL: ""}
# Which number and business account it is, by which webhooks that name no account are told apart.
NUMBER, BUSINESS = "number", "business"

Notes = Mapping[str, str]


class Advice(Struct, frozen=True):
    """Something that is not well, and what to do."""

    code: str
    said: str
    mend: str


class AccountNews(Struct, frozen=True):
    """What a provider says of accounts themselves. `business`, `number`: of which; empty: of all that its app has."""

    channel: str
    notes: dict[str, str]
    business: str = ""
    number: str = ""

    def concerns(self, notes: Notes) -> bool:
        """Whether it is about an account of which this is known. What is not known of it does not tell it apart."""
        known = ((self.business, notes.get(BUSINESS, "")), (self.number, notes.get(NUMBER, "")))
        return all(mine == theirs for mine, theirs in known if mine and theirs)


def at_of(notes: Notes, name: str) -> int:
    """A time in notes; 0 for none."""
    text = notes.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def suspended_for(notes: Notes, now: int) -> str:
    """Why the provider takes nothing from it now; empty: it does, as far as we know."""
    return notes.get(SUSPENDED, "") if at_of(notes, SUSPENDED_UNTIL) > now else ""


def suspended(before: Notes, reason: str, at: int, now: int) -> dict[str, str]:
    """What is known after the provider refused a message for a reason that suspends the account, at this time (ms UTC).

    Of two the later end counts. What is over by now is no news: records that are read again suspend nothing.
    """
    until = at + int(1000 * SUSPENDS_ACCOUNT[reason])
    if until <= max(now, at_of(before, SUSPENDED_UNTIL)):
        return dict(before)
    return noted(before, {SUSPENDED: reason, SUSPENDED_UNTIL: str(until)}, now)


def noted(before: Notes, news: Notes, now: int) -> dict[str, str]:
    """What is known after these news: the same as before where they are none."""
    after = {name: text for name, text in {**before, **news}.items() if text}
    return dict(before) if all(before.get(name, "") == text for name, text in news.items()) else after | {NOTED: str(now)}


def advice(state: str, reason: str, notes: Notes, now: int) -> Iterator[Advice]:
    """What to do, the worst first."""
    until = at_of(notes, UNTIL)
    if state == "failing":
        said = f"The provider refused its credentials: {reason}."
        yield Advice("credentials_refused", said, "Check the account; it says how to mend this.")
    elif until and until <= now:
        yield Advice("credentials_expired", "Its token is no longer good.", "Rotate the account's credentials.")
    elif until and until - now < ENDS_SOON_MS:
        said = f"Its token ends within {(until - now) // DAY_MS + 1} days."
        yield Advice("credentials_expire", said, "Rotate the account's credentials before.")
    yield from _of_notes(notes, now)
    if state == "paused":
        yield Advice("paused", "Nothing is sent from it, because somebody paused it.", "Resume the account.")
    if state == "connecting":
        yield Advice("connecting", "The provider has not confirmed it yet, so it is not used.", "Check the account.")


def _of_notes(notes: Notes, now: int) -> Iterator[Advice]:
    if why := suspended_for(notes, now):
        minutes = (at_of(notes, SUSPENDED_UNTIL) - now) // 60_000 + 1
        said = f"The provider refused messages for {why}: nothing is sent from it for {minutes} minutes."
        yield Advice(
            "suspended", said, f"{mend_of(why)} Resume the account once it is mended, or wait: it is tried again by itself."
        )
    if notes.get(RESTRICTION):
        said = f"The provider restricts it: {notes[RESTRICTION]}."
        yield Advice("restricted", said, "Look at the account in the provider's console; appeal there if this is wrong.")
    if notes.get(QUALITY, "") not in WELL:
        said = f"People block it or report it: its quality is {notes[QUALITY]}."
        yield Advice("quality_low", said, "Send less that nobody asked for; look which templates people block.")
    if notes.get(TEMPLATE):
        yield Advice("template_trouble", f"A template is not well: {notes[TEMPLATE]}.", "Mend it, or use another one.")
    if notes.get(ALERT):
        yield Advice("provider_alert", f"The provider says: {notes[ALERT]}.", "Look at the account in the provider's console.")
