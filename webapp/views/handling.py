"""How conversations are handled: state, assignee, priority, labels, handler. For those who answer."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.clock import now_ms
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.handling import Handling
from chat4all.services.handling import changed, looked_at, tell
from chat4all.telemetry import logs
from webapp.requests.access import visible
from webapp.requests.api_docs import CONVERSATIONS, SECURED, problems
from webapp.requests.gateway import gateway
from webapp.requests.handlings import check_assignee, check_team, wanted
from webapp.requests.responses import answer
from webapp.requests.validation import checked
from webapp.schemas.inbox_models import HandlingIn
from webapp.schemas.models import ConversationOut, ConversationPath
from webapp.views import auth
from webapp.views.conversations import shape

log = logs.logger(__name__)

# Readers are told within this time, or soon after by whoever sweeps.
TELL_TIMEOUT_S = 0.5

api = APIBlueprint(
    "handling",
    __name__,
    abp_tags=[CONVERSATIONS],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
)
api.before_request(auth.require)


@api.patch("/v1/conversations/<conversation_id>", responses={"200": ConversationOut})
@checked
def handle(path: ConversationPath, body: HandlingIn) -> Response:
    """Change how a conversation is handled: what is left out stays as it is.

    One that is snoozed or closed is open again when its customer writes, and a snooze ends at its time.
    """
    membership, here = visible(path.conversation_id), gateway()
    check_team()
    key, given, now = membership.conversation.conversation_id, body.given, now_ms()
    if given.get("assignee"):
        check_assignee(given["assignee"])
    last_seq = here.store.last_seqs([key]).get(key, 0)
    kept, ours = changed(here.store, key, lambda there: wanted(there, given, last_seq, now))
    if ours:
        # What was said while it was being closed was said to an open conversation: nobody else looks for that.
        announce(ours, looked_at(here.store, kept))
    return answer(shape([membership])[0])


def announce(*handlings: Handling | None) -> None:
    """Tell readers. When that fails now, it is done by whoever sweeps."""
    here = gateway()
    try:
        news = [each for each in handlings if each]
        tell(here.store, here.log, news, here.acceptor.event_partitions, TELL_TIMEOUT_S)
    except (Temporary, Unknown) as failure:
        log.warning("handling_untold", reason=failure.reason)
