"""Health checks: whether this process runs, and whether the servers that it needs answer."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from webapp.requests.api_docs import HEALTH, OPEN, problems
from webapp.requests.gateway import gateway
from webapp.requests.responses import answer
from webapp.schemas.models import Health

api = APIBlueprint("health", __name__, abp_tags=[HEALTH], abp_security=OPEN)


@api.get("/healthz", responses={"200": Health})
def healthz() -> Response:
    """The process answers."""
    return answer({"status": "ok"})


@api.get("/readyz", responses={"200": Health, **problems(503)})
def readyz() -> Response:
    """The log and the store answer."""
    here = gateway()
    here.log.check()
    here.store.check()
    return answer({"status": "ok"})
