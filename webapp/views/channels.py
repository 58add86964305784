"""What each channel carries."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.services.acceptance.channel_matrix import described
from webapp.requests.api_docs import CHANNELS, SECURED, problems
from webapp.requests.gateway import gateway
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked
from webapp.schemas.channel_models import ChannelsOut
from webapp.schemas.models import PagedQuery
from webapp.views import auth

api = APIBlueprint(
    "channels", __name__, abp_tags=[CHANNELS], abp_security=SECURED, abp_responses=problems(400, 401, 413, 422, 429, 503)
)
api.before_request(auth.require)


@api.get("/v1/channels", responses={"200": ChannelsOut})
@checked
def channels(query: PagedQuery) -> Response:
    """All channels: what becomes of each kind of content there, and how much fits."""
    opened = gateway().channels
    page, more = page_after(sorted(opened), query.after, query.limit, str)
    return answer({"channels": [described(name, opened[name].limits) for name in page]} | more)
