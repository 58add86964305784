"""What can be said of a route without looking anything up, and how it is made of what was looked up. Pure rules; no I/O."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.channels import unknown_channel
from chat4all.model.content import MODIFIERS, Content, Text, said_by
from chat4all.model.deliveries import State
from chat4all.model.drafts import AlbumDraft, Draft, LegDraft, MediaDraft, content_of
from chat4all.model.messages import Leg, Recipient
from chat4all.ports import Channel
from chat4all.services.acceptance.content_checks import content_fault
from chat4all.services.acceptance.recipients import Via
from chat4all.services.acceptance.renditions import Renditions, rendered
from chat4all.services.accounts.live import accounts_of

LEGS_LEAST, LEGS_MOST = 2, 5
# A delivery is given up when it is a day old, unless the deployment says otherwise.
WITHIN_MOST_S = 86_400
UNTIL = {"sent": State.SENT, "delivered": State.DELIVERED, "read": State.READ}

# What to say, and where in the route.
Wrong = tuple[str, str, str]


class Way(Struct, frozen=True):
    """A leg whose channel is known. `payload`: what is said there instead; None: what the message says."""

    via: Via
    until: str
    within_ms: int
    payload: Content | None = None


def route_fault(draft: Draft, channels: Mapping[str, Channel], text_limit: int) -> Wrong | None:
    """What is wrong with it: a code, what to do, and the field; None: nothing, or there is no route."""
    return next(_faults(draft, channels, text_limit), None) if draft.route is not None else None


def _faults(draft: Draft, channels: Mapping[str, Channel], text_limit: int) -> Iterator[Wrong]:
    route = draft.route or ()
    for name, given in (
        ("channels", draft.channels),
        ("via", draft.via or None),
        ("outside_window", draft.outside_window or draft.holds or None),
    ):
        if given is not None:
            yield "invalid", f"a route or {name}, not both: a leg names its own channel, account and payload", "route"
    if isinstance(draft.payload, MODIFIERS):
        yield "invalid", "what is about another message goes where that one went", "route"
    if not LEGS_LEAST <= len(route) <= LEGS_MOST:
        yield "invalid", f"{LEGS_LEAST} to {LEGS_MOST} legs", "route"
    for number, leg in enumerate(route):
        is_last = number + 1 == len(route)
        for code, detail, field in (*_way_faults(leg, channels), *_time_faults(leg, is_last), *_said_faults(leg, text_limit)):
            yield code, detail, f"route.{number}.{field}"


def _way_faults(leg: LegDraft, channels: Mapping[str, Channel]) -> Iterator[Wrong]:
    if bool(leg.channel) == bool(leg.account_id):
        yield "invalid", "a channel or an account_id, one of the two", "channel"
    elif leg.channel and leg.channel not in channels:
        yield "unknown_channel", unknown_channel(leg.channel), "channel"
    elif leg.account_id and accounts_of(channels).place_of(leg.account_id) is None:
        yield "unknown_account", "there is no such account that is in use; see GET /v1/accounts", "account_id"
    elif leg.until in UNTIL and leg.until != "sent":
        name = leg.channel or accounts_of(channels).place_of(leg.account_id)[0]  # type: ignore[index] # looked up just above
        if leg.until not in channels[name].limits.receipts:
            yield "invalid", f"{name} never says that a message was {leg.until}", "until"


def _time_faults(leg: LegDraft, is_last: bool) -> Iterator[Wrong]:
    if leg.until and leg.until not in UNTIL:
        yield "invalid", f"one of {', '.join(UNTIL)}", "until"
    if is_last and (leg.until or leg.within_s is not None):
        yield "invalid", "nothing follows the last leg", "until" if leg.until else "within_s"
    elif leg.until and leg.within_s is None:
        yield "missing", "within how many seconds", "within_s"
    elif leg.within_s is not None and not 1 <= leg.within_s <= WITHIN_MOST_S:
        yield "invalid", f"1 to {WITHIN_MOST_S} seconds", "within_s"


def _said_faults(leg: LegDraft, text_limit: int) -> Iterator[Wrong]:
    if leg.payload is None:
        return
    if isinstance(leg.payload, (MediaDraft, AlbumDraft, *MODIFIERS)):
        yield "invalid", "a leg's own payload has no files, and is about no other message", "payload"
    wrong = content_fault(leg.payload, text_limit)
    if wrong:
        code, detail, field = wrong
        yield code, detail, f"payload.{field}" if field else "payload"


def ways_of(draft: Draft, channels: Mapping[str, Channel]) -> tuple[Way, ...]:
    """The legs of a draft without faults. An account that went since it was looked at is passed over: its channel's sends."""
    return tuple(_way(leg, channels) for leg in draft.route or ())


def _way(leg: LegDraft, channels: Mapping[str, Channel]) -> Way:
    named = accounts_of(channels).place_of(leg.account_id) if leg.account_id else None
    channel, account = named or (leg.channel, "")
    said = content_of(leg.payload) if leg.payload is not None else None
    return Way(Via(channel, account), UNTIL.get(leg.until, State.SENT).value, 1000 * (leg.within_s or 0), said)


def legs_of(
    ways: Sequence[Way], reached: Sequence[Sequence[Recipient]], payload: Content, name: str, channels: Mapping[str, Channel]
) -> tuple[Leg, ...]:
    """The legs as they are frozen. `reached`: for each leg its recipients. What the first carries is the message's own."""
    first, *later = ways
    legs = []
    for way, recipients in zip(later, reached[1:], strict=True):
        kept, renditions = rendered(way.payload or payload, name, recipients, channels)
        legs.append(Leg(way.until, way.within_ms, kept, way.payload, renditions))
    return Leg(first.until, first.within_ms), *legs


def rendered_first(
    said: Content, name: str, recipients: Sequence[Recipient], channels: Mapping[str, Channel]
) -> tuple[tuple[Recipient, ...], Renditions]:
    """What the first leg says instead of the message, as renditions of the message."""
    kept, renditions = rendered(said, name, recipients, channels)
    whole = said_by(name, said.text) if isinstance(said, Text) else said
    number = len(renditions) + 1
    return tuple(each if each.rendition else replace(each, rendition=number) for each in kept), (*renditions, (whole,))
