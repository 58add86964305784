"""What must never be written to logs or errors: fields by their names, secrets by their values, what looks like a secret."""

import os
import re
from threading import Lock
from typing import Any

REDACTED = "[redacted]"
NEVER_SAID = frozenset({
    "text", "payload", "address", "authorization", "password", "token", "secret", "value", "phone", "to", "from", "recipient",
    "sender", "sender_name", "display_name", "url", "query", "headers", "cookie", "email",
})  # fmt: skip
# An access key is the name of an account: what belongs to it is called SECRET.
SECRET_NAMES = re.compile(r"(SECRET|TOKEN|PASSWORD|PASSWD|API_KEY)", re.I)
PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
SHORTEST = 8
PATTERNS = (
    re.compile(r"(?P<kept>://[^/\s:@\"]*:)[^/\s@\"]+(?=@)"),
    re.compile(r"(?P<kept>\bBearer )[\w.~+/=-]+", re.I),
    re.compile(r"(?P<kept>)\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"),
    re.compile(r"(?P<kept>\bbot)\d{5,}:[\w-]{20,}"),
    re.compile(r"(?P<kept>)\$argon2\w*\$[^\s\"]+"),
    re.compile(r"(?P<kept>\b(?:x-amz-(?:signature|credential)|access_token|ticket|signature|sig|token)=)[^&\s\"'\\]+", re.I),
    re.compile(r"(?P<kept>(?<![\w:.-]))\+\d{8,15}\b"),
)


class _Known:
    """Secrets of this process, by value, the longest first."""

    lock = Lock()
    values: tuple[str, ...] = ()


def know(*secrets: str) -> None:
    """These values are secret. Short ones are passed over: they would be found everywhere."""
    with _Known.lock:
        new = {each for each in secrets if len(each) >= SHORTEST}.difference(_Known.values)
        if new:
            _Known.values = tuple(sorted((*_Known.values, *new), key=len, reverse=True))


def know_environment() -> None:
    """What the environment calls a secret, and passwords in its URLs."""
    for name, value in os.environ.items():
        if SECRET_NAMES.search(name):
            know(value)
        know(*PASSWORD_IN_URL.findall(value))


def redacted(text: str) -> str:
    """The text without secrets that are known, and without what looks like one or like a telephone number."""
    for secret in _Known.values:
        if secret in text:
            text = text.replace(secret, REDACTED)
    for each in PATTERNS:
        text = each.sub(lambda found: found["kept"] + REDACTED, text)
    return text


def redact_fields(_logger: Any, _method: str, event: Any) -> Any:
    """For structlog: fields that never hold anything to be read."""
    for name in NEVER_SAID & event.keys():
        event[name] = REDACTED
    return event
