"""What the OpenAPI document says beside the models: tags, security, and problems as answers."""

from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict, SecuritySchemesDict

from webapp.requests.problems import TITLES

INFO = Info(
    title="Chat4All",
    version="1.0.0",
    description="Messages between people on different platforms. Errors are RFC 9457 problems with a stable `code`.",
)
SCHEMES: SecuritySchemesDict = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "For streams: of POST /v1/stream-tickets"},
}
SECURED: list[dict[str, list[str]]] = [{"bearer": []}]
OPEN: list[dict[str, list[str]]] = [{}]

TOKENS = Tag(name="tokens", description="Who calls")
USERS = Tag(name="users", description="Users, and their addresses on channels")
CONTACTS = Tag(name="contacts", description="People known by an address, and what a team keeps about them")
CONVERSATIONS = Tag(name="conversations", description="Who talks with whom")
MESSAGES = Tag(name="messages", description="What is said, and where it has come")
SAVED_REPLIES = Tag(name="saved replies", description="What those who answer say again and again")
SEARCH = Tag(name="search", description="Where something was said, and who is called so")
PRESENCE = Tag(name="presence", description="Who is there, and whether that is hidden")
FILES = Tag(name="files", description="Files, in parts straight to the object store")
CHANNELS = Tag(name="channels", description="What each channel carries, and what providers call")
ACCOUNTS = Tag(name="accounts", description="Numbers, pages and bots that messages go through")
BROADCASTS = Tag(name="broadcasts", description="One message to many contacts")
WEBHOOKS = Tag(name="webhooks", description="Endpoints of your own backend that are told what happens")
WORKSPACES = Tag(name="workspaces", description="Whose everything is, for whoever runs the deployment: scope operator")
HEALTH = Tag(name="health", description="Whether it runs")

_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}


def problems(*statuses: int) -> ResponseDict:
    """Documented problems of these statuses."""
    return {str(status): {"description": TITLES[status], "content": _CONTENT} for status in statuses}


def anything(status: int, description: str, mimetype: str) -> ResponseDict:
    """A documented answer whose content is not JSON of ours."""
    return {str(status): {"description": description, "content": {mimetype: {"schema": {"type": "string"}}}}}
