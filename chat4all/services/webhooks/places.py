"""Where endpoints may be."""

from chat4all.model.url_guard import ANYWHERE, Allowed
from chat4all.settings import Settings


def allowed(settings: Settings) -> Allowed:
    """At public addresses, by https; on this machine too, while it is nowhere in public."""
    hosts = tuple(filter(None, (each.strip() for each in settings.webhook_hosts.split(","))))
    return Allowed(hosts or (ANYWHERE,), loopback=not settings.public_url)
