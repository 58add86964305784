"""Browsers at the gateway: OPTIONS is answered without a token, and every answer has security headers."""

from flask import Flask, Response, request

from chat4all.model.cors import PAGE, SAFE, cross_origin, origins
from chat4all.settings import Settings

DOCS = "/docs"
# By the lower-case name too: `setdefault` of Werkzeug's headers looks through all of them twice for each, and raises between.
DEFAULTS = [(name.lower(), name, value) for name, value in SAFE.items()]


def init(app: Flask, settings: Settings) -> None:
    """Register what every request passes."""
    allowed = origins(settings.cors_origins)

    def options() -> Response | None:
        """What a browser asks before it calls: it has no token with it."""
        if request.method != "OPTIONS" or request.routing_exception:
            return None
        answer: Response = app.make_default_options_response()
        return answer

    def headers(response: Response) -> Response:
        there = {name.lower() for name, _ in response.headers}
        for lower, name, value in DEFAULTS:
            if lower not in there:
                response.headers.add(name, value)
        if request.path.startswith(DOCS):
            response.headers["Content-Security-Policy"] = PAGE
        elif "cache-control" not in there and (response.mimetype or "").endswith("json"):
            response.headers.add("Cache-Control", "no-store")
        methods = response.headers.get("Allow", "") if request.method == "OPTIONS" else ""
        for name, value in cross_origin(request.headers.get("Origin", ""), allowed, methods).items():
            response.headers[name] = value
        return response

    app.before_request(options)
    app.after_request(headers)
