"""Who is there: for those who share a conversation with them, and for those who answer."""

from collections.abc import Sequence
from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.clock import rfc3339
from chat4all.ports.presence import Seen
from chat4all.services.presence import wish_record
from webapp.requests.api_docs import PRESENCE, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.presence_models import PresenceIn, PresenceOut, PresenceQuery, PresencesOut
from webapp.views import auth

NOBODY = Seen()
MOST = 50

api = APIBlueprint(
    "presence",
    __name__,
    abp_tags=[PRESENCE],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 413, 422, 429, 503),
)
api.before_request(auth.require)


@api.get("/v1/presence", responses={"200": PresencesOut})
@checked
def there(query: PresenceQuery) -> Response:
    """Who of these users is there, and when the others were. Those of whom the caller may not know are left out."""
    wanted = list(dict.fromkeys(filter(None, query.user_id.split(","))))
    if not 0 < len(wanted) <= MOST:
        raise Problem(422, "invalid", f"1 to {MOST} user ids, with commas", "user_id")
    known = wanted if caller().is_team else _acquainted(wanted)
    return answer({"presence": _shown(known)})


@api.put("/v1/users/me/presence", responses={"200": PresenceOut})
@checked
def wish(body: PresenceIn) -> Response:
    """Hide that the caller is there, and when they were; or show it again. Streams tell it within seconds."""
    here, who = gateway(), caller().user_id
    here.store.hide_presence(who, body.hidden)
    # If nobody hears this, it holds from the next stream of theirs on; this call says at once what is true.
    here.passing.say([wish_record(who, here.passing.partitions)])
    return answer(_shown([who])[0])


def _shown(user_ids: Sequence[str]) -> list[dict[str, Any]]:
    here, me = gateway(), caller().user_id
    seen = here.store.presences(user_ids)
    present = here.presence.now()
    return [_one(each, seen.get(each, NOBODY), online=present.is_online(each), is_me=each == me) for each in user_ids]


def _one(user_id: str, seen: Seen, *, online: bool, is_me: bool) -> dict[str, Any]:
    online = online and not seen.hidden
    last_seen = rfc3339(seen.last_seen) if seen.last_seen and not (online or seen.hidden) else None
    return {"user_id": user_id, "online": online} | without_blanks(
        {"last_seen": last_seen, "hidden": (seen.hidden or None) if is_me else None}
    )


def _acquainted(user_ids: Sequence[str]) -> list[str]:
    """The caller, and those who share a conversation with them now."""
    store, me = gateway().store, caller().user_id
    mine = set(store.conversations_of(me))
    shared = {each: sorted(mine.intersection(store.conversations_of(each))) for each in user_ids if each != me}
    there = store.memberships(sorted({name for names in shared.values() for name in names}))
    talks = {each: [there[name] for name in names if name in there] for each, names in shared.items()}
    return [each for each in user_ids if each == me or any(talk.has(me) and talk.has(each) for talk in talks[each])]
