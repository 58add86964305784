"""What the first link in a message leads to. Nothing is fetched before somebody of the team asks for it."""

from typing import Annotated

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from msgspec.structs import asdict
from pydantic import Field

from chat4all.services.link_previews import first_link
from chat4all.telemetry import metrics
from webapp.requests.api_docs import MESSAGES, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.handlings import check_team
from webapp.requests.problems import Problem, busy
from webapp.requests.responses import answer
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.message_models import MessagePath, RawQuery
from webapp.schemas.models import ResponseModel
from webapp.views import auth
from webapp.views.messages import one, timeline

api = APIBlueprint(
    "link_previews",
    __name__,
    abp_tags=[MESSAGES],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 409, 422, 429, 503),
)
api.before_request(auth.require)
api.before_request(check_team)


class LinkPreviewOut(ResponseModel):
    """What a page says of itself, or `reason`: why there is nothing to show."""

    url: Annotated[str, Field(description="As it stands in the message")]
    host: Annotated[str, Field(description="Where the link ended")] = ""
    title: str = ""
    description: str = ""
    reason: Annotated[
        str,
        Field(
            description="not_https, not_public, port, credentials, url, redirects (it is not fetched); unreachable, too_slow; "
            "status (it answered no page); no_page (it is a file); says_nothing"
        ),
    ] = ""


@api.get("/v1/messages/<message_id>/link-preview", responses={"200": LinkPreviewOut})
@checked
def show_link_preview(path: MessagePath, query: RawQuery) -> Response:
    """What the first link in a message leads to: asks its page, by https and at public addresses only. For those who answer.

    What was found is kept for an hour. The page's host sees this service's address and nothing of who asks.
    """
    here = gateway()
    if not here.settings.link_previews:
        raise Problem(409, "link_previews_off", "previews of links are off: CHAT4ALL_LINK_PREVIEWS")
    membership, message = one(path.message_id, query.conversation_id, 0)
    said = timeline().shape(membership, [message], caller(), False)[0]["payload"]
    url = first_link(said.get("text") or said.get("caption") or "")
    if not url:
        raise Problem(404, "no_link", "there is no link in this message")
    found = here.previews.kept(url)
    if found is None:
        with here.preview_waits.turn() as seconds:
            if not seconds:
                raise busy("many previews are under way; try again")
            found = here.previews.fetch(url, seconds)
        metrics.LINK_PREVIEWS.of(found.reason or "found").add()
    return answer(without_blanks(asdict(found)))
