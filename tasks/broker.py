"""How soon a worker reconnects to a broker that was away: sooner than by Celery's own waits, which grow to half a minute."""

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection as Broker

# Celery's own waits grow by 2 s each to 30 s: after an outage of half a minute the next look is up to 12 s away.
FIRST_S = 0.5
MOST_S = 2.0


class Connection(Broker):
    """A connection that looks for its broker every two seconds at the least."""

    def ensure_connection(self, errback: Any = None, max_retries: int | None = None, **more: Any) -> Any:
        """As kombu's, with waits of our own; those that a caller gives count."""
        waits = {"interval_start": FIRST_S, "interval_step": FIRST_S, "interval_max": MOST_S}
        return super().ensure_connection(errback, max_retries, **{**waits, **more})  # type: ignore[no-untyped-call]


class Amqp(AMQP):  # type: ignore[misc]
    """What the application makes its connections with."""

    Connection = Connection
