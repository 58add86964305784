"""Response headers for browsers: which origins may call, and what a browser must not do with an answer. No I/O."""

from collections.abc import Mapping
from urllib.parse import urlsplit

# An answer is data: nothing in it is run, shown in a frame, or taken for another type than it says.
SAFE: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# Swagger's page has its own script and style in it, and calls this server only.
PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The console: our own files, nothing written into the page itself, no other address than those of the stream and of files.
CONSOLE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: {files}; media-src 'self' blob: {files}; "
    "connect-src 'self' {events}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SENT = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent, Range, If-Range"
READ = (
    "Retry-After, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, WWW-Authenticate, "
    "ETag, Content-Range, Content-Disposition"
)
REMEMBERED_S = 600


def origins(setting: str) -> frozenset[str]:
    """The origins of CHAT4ALL_CORS_ORIGINS. ValueError for what is none."""
    named = frozenset(each.strip() for each in setting.split(",") if each.strip())
    for each in named:
        parts = urlsplit(each)
        if parts.scheme not in ("http", "https") or each != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
            raise ValueError(f"{each} is no origin, such as https://app.example.com")
    return named


def cross_origin(origin: str, allowed: frozenset[str], methods: str = "") -> dict[str, str]:
    """Headers for a page of this origin. `methods`: those of the path, where the browser asks before it calls.

    Tokens come in a header of their own, never in a cookie, so no credentials are allowed.
    """
    if not allowed:
        return {}
    headers = {"Vary": "Origin"}
    if origin in allowed:
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": READ}
        if methods:
            headers |= {
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": SENT,
                "Access-Control-Max-Age": str(REMEMBERED_S),
            }
    return headers


def console_origin(host: str, gateway_port: int) -> str:
    """The origin of the console, for a process beside the gateway that was asked under this Host; empty: it is no host."""
    try:
        name = urlsplit("//" + host).hostname or ""
    except ValueError:
        return ""
    return f"http://[{name}]:{gateway_port}" if ":" in name else f"http://{name}:{gateway_port}"
