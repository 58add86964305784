"""How long each kind of row is kept, and why none of them may go before another. Pure rules; no I/O.

A delivery row is needed while anything may still happen to it: it is tried for `give_up_h`, and afterwards receipts find
it by its handle. So handles go first, and what a row then says is final: it is kept in short beside the message, and the
row goes. What the log could bring again (a batch that is handed out anew) must still be known as done.
"""

from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS

# Providers repeat a webhook for a week.
REPEATED_DAYS = 8
NEVER = 10**6


class Retention(Struct, frozen=True):
    """Days that each kind of row is kept; 0: for ever."""

    messages: int = 0
    deliveries: int = 0
    handles: int = 0
    ids: int = 0
    letters: int = 0
    files: int = 0
    webhook_calls: int = 0

    @classmethod
    def of(cls, asked: "Retention", ids: int | None, log_h: int) -> "Retention":
        """What is `asked` for, with what is left open filled in: `ids` is None, or files are to stay longer than messages."""
        if ids is None:
            ids = asked.messages + _days(log_h) + REPEATED_DAYS if asked.messages else 0
        files = min(filter(None, (asked.files, asked.messages)), default=0)
        return replace(asked, ids=ids, files=files)


def before(days: int, now_ms: int) -> int:
    """What is older than this may go; 0, nothing, where it is kept for ever."""
    return max(0, now_ms - days * DAY_MS) if days else 0


def too_short(here: Retention, log_h: int, give_up_h: float) -> str:
    """Why these days would forget something that is still needed; empty when they would not."""
    log, tried = _days(log_h), _days(give_up_h)
    rules = (
        ("HANDLES", here.handles, REPEATED_DAYS, "providers repeat their webhooks for a week"),
        ("DELIVERIES", here.deliveries, log + 1, "the log can bring its records again"),
        ("DELIVERIES", here.deliveries, (here.handles or NEVER) + tried + 1, "handles, and CHAT4ALL_GIVE_UP_H before them"),
        ("MESSAGES", here.messages, here.deliveries or NEVER, "delivery rows"),
        ("IDS", here.ids, (here.messages or NEVER) + log + REPEATED_DAYS, "messages, and what the log or a provider repeats"),
        ("LETTERS", here.letters, log + REPEATED_DAYS, "stages pass over set-aside records while the log has them"),
        ("FILES", here.files, tried + REPEATED_DAYS, "a delivery may be tried, and links to files live for a week"),
    )
    for name, days, least, why in rules:
        if days and days < least:
            wanted = f"{least} days at the least, or 0" if least < NEVER else "0"
            return f"CHAT4ALL_KEEP_{name}_DAYS: {wanted} (for ever): {why}"
    return ""


def _days(hours: float) -> int:
    return ceil(hours / 24)
