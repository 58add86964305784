"""Whether a provider can call us at the address that it is given. Pure, and the same for every provider."""

from chat4all.ports import Finding

PUBLIC = "Set CHAT4ALL_PUBLIC_URL to the https:// address at which the gateway is reached, and connect the account."
HTTPS = "Put TLS in front of the gateway, and let CHAT4ALL_PUBLIC_URL begin with https://."


def address_findings(webhook_url: str) -> list[Finding]:
    """What is wrong with it; `webhook_url` is empty where the service has no public address."""
    if not webhook_url:
        return [Finding("no_public_address", "The service has no public address: nothing comes.", PUBLIC)]
    if not webhook_url.startswith("https://"):
        return [Finding("address_not_https", "The public address is not https: providers call nothing else.", HTTPS)]
    return []
