"""What stands where on the road of messages, for those who look whether all is well."""

from typing import Annotated

from flask import Response
from pydantic import Field

from chat4all.model.ids import DEFAULT_WORKSPACE
from webapp.queries.road import channel_figures, disk, topics
from webapp.requests.api_docs import HEALTH
from webapp.requests.gateway import deployment, gateway
from webapp.requests.responses import answer
from webapp.requests.validation import checked
from webapp.schemas.models import ResponseModel
from webapp.views import auth

api = auth.for_managers("road", HEALTH, "figure")


class TopicFigures(ResponseModel):
    """Of a topic of the log: records that are accepted and not through their stages yet."""

    topic: str
    waiting: int


class ChannelFigures(ResponseModel):
    """Of a channel: its lanes, those with deliveries that nobody looked at yet, and how many addresses wait for a retry."""

    channel: str
    lanes: int
    working: int
    retries: int


class Disk(ResponseModel):
    """Of the data folder."""

    free_bytes: int
    size_bytes: int


class RoadOut(ResponseModel):
    """What waits where. `disk`: where the embedded parts keep their files."""

    topics: list[TopicFigures]
    channels: list[ChannelFigures]
    disk: Annotated[Disk | None, Field(description="Left out on real servers: they have their own")] = None


@api.get("/v1/road", responses={"200": RoadOut})
@checked
def show_road() -> Response:
    """What waits on the way from acceptance to the providers, as log and store know it now.

    Channels and disk are the deployment's: its own workspace alone is told of them.
    """
    here = deployment()
    is_own = gateway().workspace == DEFAULT_WORKSPACE
    room = disk(here.settings) if is_own else None
    channels = channel_figures(here.store) if is_own else []
    return answer({"topics": topics(here.log, here.store), "channels": channels} | ({"disk": room} if room else {}))
