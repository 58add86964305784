"""The console: a page of our own files, served as they are. Its policy says what it may load: no more than it needs."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from msgspec import Struct

from chat4all.model.cors import CONSOLE
from webapp.requests.addresses import events_url, origin_of
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem

api = Blueprint("console", __name__)

FOLDER = Path(__file__).parent.parent / "console"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
FIRST = "index.html"


class PageFile(Struct, frozen=True):
    """A file of the page. `etag`: of its bytes, so that a browser keeps what did not change."""

    body: bytes
    mime_type: str
    etag: str


def _read(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, TYPES[path.suffix], sha256(body).hexdigest()[:32])


# Read once, and by these names only: no path that somebody asks for is ever opened.
FILES = {path.relative_to(FOLDER).as_posix(): _read(path) for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES}


@api.get("/console")
@api.get("/console/")
@api.get("/console/<path:name>")
def show(name: str = FIRST) -> Any:
    """The page, or a file of it."""
    found = FILES.get(name)
    if found is None:
        raise Problem(404, "not_found", "the console has no such file; it begins at /console")
    response = Response(found.body, mimetype=found.mime_type)
    response.content_type = found.mime_type
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = policy()
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    response.set_etag(found.etag)
    return response.make_conditional(request)


def policy() -> str:
    """What the page may load: itself, the stream, and the bytes of files."""
    return CONSOLE.format(files=origin_of(gateway().settings.files_url), events=origin_of(events_url())).replace(" ;", ";")
