"""Browsers at the gateway: OPTIONS is answered without a token, and every answer has security headers."""

from flask import Flask, Response, request

from chat4all.model.cors import PAGE, SAFE, cross_origin, origins
from chat4all.settings import Settings

DOCS = "/docs"


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
        for name, value in SAFE.items():
            response.headers.setdefault(name, value)
        if request.path.startswith(DOCS):
            response.headers["Content-Security-Policy"] = PAGE
        elif (response.mimetype or "").endswith("json"):
            response.headers.setdefault("Cache-Control", "no-store")
        methods = response.headers.get("Allow", "") if request.method == "OPTIONS" else ""
        for name, value in cross_origin(request.headers.get("Origin", ""), allowed, methods).items():
            response.headers[name] = value
        return response

    app.before_request(options)
    app.after_request(headers)
