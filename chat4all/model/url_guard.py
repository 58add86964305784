"""Which URLs that come from outside the server may fetch: a URL in a webhook, a redirect, a webhook's address. No I/O.

A URL is checked twice: its form here, and with `is_public` each address of its host when it is connected to
(chat4all/services/files/http_fetch.py). Both check the very value that is used, not a copy that may be read differently.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from msgspec import Struct
from yarl import URL

from chat4all.model.failures import Permanent

HTTPS = 443
URL_MOST = 4096
ANYWHERE = "*"

# Public by their numbers, and yet no place of the internet's: clouds' own services, relays, and benchmarks.
NOWHERE_V4 = tuple(
    map(
        IPv4Network, ("100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24", "192.31.196.0/24", "192.88.99.0/24", "198.18.0.0/15")
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
# Tunnels to an IPv4 address inside: whoever writes the address chooses where it ends.
TUNNELS = tuple(map(IPv6Network, ("2001::/23", "2002::/16")))
NAT64 = IPv6Network("64:ff9b::/96")


class Refused(Permanent):
    """This URL is not fetched. `detail` is one of the words of `WHY`, never the URL itself."""

    def __init__(self, why: str) -> None:
        super().__init__("fetch_refused", why)


WHY = ("url", "not_https", "credentials", "port", "other_host", "not_public", "redirects")


class Allowed(Struct, frozen=True):
    """What a fetch may reach. `hosts`: names with all that is below them, by https at public addresses; `ANYWHERE`: every name.

    `own`: a URL that the operator set; its origin (scheme, host, port) is taken as it is, on loopback and without TLS too.
    `loopback`: this machine's own addresses, at any port and without TLS too.
    """

    hosts: tuple[str, ...] = ()
    own: str = ""
    loopback: bool = False

    def check(self, url: str) -> URL:
        """The URL to ask. Refused when it may not be asked."""
        found = _parsed(url)
        if not self.is_own(found) and not (self.loopback and _is_here(_name(found))):
            _check_form(found)
            self._check_place(_name(found))
        return found

    def _check_place(self, name: str) -> None:
        # An address in place of a name is resolved by nobody, so it is looked at here.
        if _is_literal(name) and not is_public(name):
            raise Refused("not_public")
        if ANYWHERE not in self.hosts and not any(name == each or name.endswith(f".{each}") for each in self.hosts):
            raise Refused("other_host")

    def is_own(self, url: URL) -> bool:
        """Whether this is at the origin that the operator chose."""
        return bool(self.own) and url.origin() == URL(self.own).origin()

    def is_here(self, host: str, addresses: Sequence[str]) -> bool:
        """Whether this is this machine by its name and by all its addresses, and may be asked."""
        return self.loopback and _is_here(host.rstrip(".").lower()) and all(map(_is_here, addresses))

    def is_own_place(self, host: str, port: int) -> bool:
        """Whether the operator chose this host and port."""
        own = URL(self.own)
        return bool(self.own) and (host, port) == (own.host, own.port)


def _parsed(url: str) -> URL:
    if len(url) > URL_MOST or not url.isprintable() or "\\" in url or " " in url:
        raise Refused("url")
    try:
        found, plain = URL(url), urlsplit(url)
        if not found.host or not plain.hostname or found.scheme not in ("http", "https"):
            raise Refused("url")
        found.port, plain.port  # noqa: B018  (raise where there is none)
    except (ValueError, TypeError):
        raise Refused("url") from None
    if found.user is not None or found.password is not None or "@" in plain.netloc:
        raise Refused("credentials")
    return found


def _check_form(url: URL) -> None:
    if url.scheme != "https":
        raise Refused("not_https")
    if url.port != HTTPS:
        raise Refused("port")


def _name(url: URL) -> str:
    return (url.host or "").rstrip(".").lower()


def _is_here(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _is_literal(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def is_public(text: str) -> bool:
    """Whether this is a public address: not of this machine, of this network, of a cloud's inside, or reserved."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _is_public_v4(address) if isinstance(address, IPv4Address) else _is_public_v6(address)


def _is_public_v4(address: IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved or any(address in each for each in NOWHERE_V4)
    return address.is_global and not special


def _is_public_v6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _is_public_v4(address.ipv4_mapped)
    if address in NAT64:
        return _is_public_v4(IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and address in GLOBAL_V6 and not any(address in each for each in TUNNELS)
