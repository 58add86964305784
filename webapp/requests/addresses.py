"""Where a page of ours finds the other processes: the stream server, and the bytes of files."""

from urllib.parse import urlsplit

from flask import request

from webapp.requests.gateway import gateway


def events_url() -> str:
    """Where the page's stream is: at its own port for who asked at the gateway's own, else at the one address before both."""
    return _beside(gateway().settings.events_port, "/v1/events") or "/v1/events"


def links() -> dict[str, str]:
    """Where people look further, by name; those that lead nowhere are left out."""
    settings = gateway().settings
    found = {
        "flower": settings.flower_url or _beside(settings.flower_port),
        "grafana": settings.grafana_url,
        "traces": settings.traces_url,
        "runbook": settings.runbook_url,
        # Whoever looks at their first system writes from there.
        "phones": _beside(settings.simulator_port, "/phones") if _is_simulated() else "",
    }
    return {name: url for name, url in found.items() if url}


def _is_simulated() -> bool:
    return not any(channel.account.real for channel in gateway().channels.values())


def _beside(port: int, path: str = "") -> str:
    """Another process's address for who asked at the gateway's own port; empty for who asked at a proxy before it."""
    try:
        asked = urlsplit("//" + request.host)
        is_direct = asked.port == gateway().settings.gateway_port
    except ValueError:
        is_direct = False
    if not is_direct:
        return ""
    host = f"[{asked.hostname}]" if ":" in (asked.hostname or "") else asked.hostname
    return f"http://{host}:{port}{path}"


def origin_of(url: str) -> str:
    """scheme://host[:port] of a URL; empty for one of this very address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
