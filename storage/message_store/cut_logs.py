"""When the log of calls to an endpoint is cut to its limit: now and then, by chance, so that nobody has to count calls."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from chat4all.ports.webhooks import WebhookCall

# Comes after every call_id.
LAST = "\U0010ffff"


def to_cut(calls: Sequence[WebhookCall], limit: int, draw: Callable[[], float] = random.random) -> list[str]:
    """The endpoints of these whose logs are to be cut now: each about once while a tenth of the limit is added to its log."""
    every = max(1, limit // 10)
    counts = Counter(each.webhook_id for each in calls)
    return [webhook_id for webhook_id, count in counts.items() if draw() * every < count]
