"""Sending again what failed: by the message, as `replay delivery` does on the command line."""

from typing import Annotated

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from chat4all.model.callers import ADMIN
from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent
from chat4all.services.resends import Wish, append, keys_of, plan
from webapp.requests.api_docs import SECURED, problems
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked
from webapp.schemas.models import RequestBody, RequestParams, ResponseModel
from webapp.views import auth
from webapp.views.admin import OPERATION

api = APIBlueprint(
    "resends",
    __name__,
    abp_tags=[OPERATION],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 413, 422, 429, 503),
)
api.before_request(auth.require)
api.before_request(lambda: auth.need(ADMIN))


class ResendPath(RequestParams):
    """Names a message."""

    message_id: Annotated[str, Field(max_length=64)]


class ResendIn(RequestBody):
    """`dry_run`: only say what would be sent again."""

    dry_run: bool = False


class Again(ResponseModel):
    """A delivery that is sent again. `stood`: its state and reason until now."""

    delivery: str
    stood: str


class LeftOut(ResponseModel):
    """A delivery that is left as it is, and why."""

    delivery: str
    why: str


class ResentOut(ResponseModel):
    """What is sent again, and what is not."""

    message_id: str
    dry_run: bool
    resent: list[Again]
    left: list[LeftOut]


@api.post("/v1/messages/<message_id>/resend", responses={"200": ResentOut})
@checked
def resend(path: ResendPath, body: ResendIn) -> Response:
    """Send what FAILED of a message again. Asked twice it is done once, until that has failed too."""
    served = gateway()
    partitions = served.acceptor.partitions
    try:
        planned = plan(served.store, served.live, keys_of(served.store, partitions, path.message_id), Wish(), now_ms())
    except Permanent as failure:
        raise Problem(404, failure.reason, "no such message is stored") from None
    if planned.resends and not body.dry_run:
        append(served.log, partitions, planned.resends)
    again = [{"delivery": str(each.key), "stood": each.stands} for each in planned.resends]
    left = [{"delivery": each.name, "why": each.why} for each in planned.left]
    return answer({"message_id": path.message_id, "dry_run": body.dry_run, "resent": again, "left": left})
