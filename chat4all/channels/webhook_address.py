"""Where providers call us, and whether they can. Pure, and the same for every provider."""

from chat4all.ports import Finding
from chat4all.settings import Settings

PUBLIC = "Set CHAT4ALL_PUBLIC_URL to the https:// address at which the gateway is reached, and connect the account."
HTTPS = "Put TLS in front of the gateway, and let CHAT4ALL_PUBLIC_URL begin with https://."


def address_findings(webhook_url: str) -> list[Finding]:
    """What is wrong with it; `webhook_url` is empty where the service has no public address."""
    if not webhook_url:
        return [Finding("no_public_address", "The service has no public address: nothing comes.", PUBLIC)]
    if not webhook_url.startswith("https://"):
        return [Finding("address_not_https", "The public address is not https: providers call nothing else.", HTTPS)]
    return []


def webhook_address(settings: Settings, channel: str, account: str = "", app: str = "") -> str:
    """Our webhook for this channel, or for one app or account of it, by our ids; "" without a public address."""
    base = settings.public_url.rstrip("/")
    own = f"/apps/{app}" if app else f"/accounts/{account}" if account else ""
    return f"{base}/channels/{channel}{own}/webhook" if base else ""
