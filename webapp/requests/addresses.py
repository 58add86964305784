"""Where a page of ours finds the other processes: the stream server, and the bytes of files."""

from urllib.parse import urlsplit

from flask import request

from webapp.requests.gateway import gateway


def events_url() -> str:
    """Where the page's stream is: at its own port for who asked at the gateway's own, else at the one address before both."""
    settings = gateway().settings
    try:
        asked = urlsplit("//" + request.host)
        is_direct = asked.port == settings.gateway_port
    except ValueError:
        is_direct = False
    if not is_direct:
        return "/v1/events"
    host = f"[{asked.hostname}]" if ":" in (asked.hostname or "") else asked.hostname
    return f"http://{host}:{settings.events_port}/v1/events"


def origin_of(url: str) -> str:
    """scheme://host[:port] of a URL; empty for one of this very address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
