"""Calling off what was not sent yet: what is held until people write, or waits for its turn."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.callers import SEND
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import CALLED_OFF, Withdrawn, state
from chat4all.model.records import partition_of
from chat4all.model.slots import delivery_key, slots
from chat4all.ports.holds import LaneKey
from chat4all.services.withdrawals import withdraw
from webapp.requests.api_docs import MESSAGES, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked
from webapp.schemas.message_models import CancelledOut, MessagePath, RawQuery
from webapp.views import auth
from webapp.views.messages import one

api = APIBlueprint(
    "cancelling", __name__, abp_tags=[MESSAGES], abp_security=SECURED, abp_responses=problems(401, 404, 422, 503)
)
api.before_request(auth.require)


@api.delete("/v1/messages/<message_id>/deliveries", responses={"200": CancelledOut, **problems(403, 409)})
@checked
def cancel(path: MessagePath, query: RawQuery) -> Response:
    """Have what was not sent yet of a message not sent: of its sender, or with scope send.

    Deliveries that wait become CANCELLED `cancelled`; `too_late`: so many were sent, or may have been. Repeating it changes
    nothing.
    """
    here, who = gateway(), caller()
    _, message = one(path.message_id, query.conversation_id, 0)
    if message.sender != who.user_id and not who.has(SEND):
        raise Problem(403, "not_the_sender", "only who sent it cancels it, or a client with scope send")
    partition = partition_of(message.conversation_id, here.acceptor.partitions)
    keys = [delivery_key(message, slot, partition) for slot in slots(message)]
    late = set(withdraw(here.store, keys, Withdrawn(now_ms(), CALLED_OFF, who.user_id)))
    rows = here.store.deliveries(keys)
    late |= {key for key, row in rows.items() if row.facts.ended and state(row.facts) != "CANCELLED"}
    waits = [row for row in rows.values() if row.holds and not row.facts.ended]
    here.store.open_keys([LaneKey(row.key.lane, row.conversation_id, row.address, row.account) for row in waits])
    names = {"message_id": message.message_id, "conversation_id": message.conversation_id}
    return answer({**names, "cancelled": len(set(keys) - late), "too_late": len(late & set(keys))})
