"""Where the server may be sent: forms of URLs and of addresses, in tables and at random."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.url_guard import NAT64, WHY, Allowed, Refused, is_public

META = Allowed(("fbcdn.net", "fbsbx.com"))
ANY = Allowed(("*",))
SIMULATOR = Allowed(own="http://127.0.0.1:8090/messenger")

INSIDE = (
    *("127.0.0.1", "127.1", "127.255.255.254", "0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.9", "192.88.99.1"),
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "127.000.000.001"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::"),
    *("2002:808:808::", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808", "100::1", "fec0::1", "::8.8.8.8"),
)
OUTSIDE = ("8.8.8.8", "157.240.1.1", "2606:4700:4700::1111", "2a03:2880:f003::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8")


@pytest.mark.parametrize("address", INSIDE)
def test_no_form_of_an_inner_address_is_public(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, reserved, a cloud's own; plainly, mapped, or in a tunnel."""
    assert not is_public(address)
    host = f"[{address.replace('%', '%25')}]" if ":" in address else address
    if not address.startswith("0x"):
        with pytest.raises(Refused):
            ANY.check(f"https://{host}/x")


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are(address: str) -> None:
    """What the provider's names stand for is not refused, behind NAT64 too."""
    assert is_public(address)
    host = f"[{address}]" if ":" in address else address
    assert ANY.check(f"https://{host}/x").scheme == "https"


@given(st.ip_addresses(v=4))
def test_an_address_is_no_more_public_inside_another_form(address: IPv4Address) -> None:
    """Mapped and behind NAT64 an IPv4 address is what it is plainly; through a tunnel it is never public."""
    plain, number = is_public(str(address)), int(address)
    assert is_public(f"::ffff:{address}") == plain
    assert is_public(str(IPv6Address((0x64FF9B << 96) | number))) == plain
    assert not is_public(str(IPv6Address((0x2002 << 112) | (number << 80))))
    assert not is_public(str(IPv6Address(number)))
    assert not is_public(str(number))


@given(st.ip_addresses())
def test_what_python_calls_inner_is_never_public(address: IPv4Address | IPv6Address) -> None:
    """The library's own words for ranges are the least that is refused."""
    inner = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_reserved
    carried = isinstance(address, IPv6Address) and (address.ipv4_mapped or address in NAT64)
    assert not (is_public(str(address)) and inner and not carried)


REFUSED = {
    "http://lookaside.fbsbx.com/a": "not_https",
    "ftp://lookaside.fbsbx.com/a": "url",
    "file:///etc/passwd": "url",
    "gopher://lookaside.fbsbx.com/": "url",
    "data:text/plain,x": "url",
    "//lookaside.fbsbx.com/a": "url",
    "lookaside.fbsbx.com/a": "url",
    "": "url",
    "https://": "url",
    "https:///a": "url",
    "https://lookaside.fbsbx.com:8443/a": "port",
    "https://lookaside.fbsbx.com:80/a": "port",
    "https://lookaside.fbsbx.com:99999/a": "url",
    "https://lookaside.fbsbx.com:x/a": "url",
    "https://evil.example/a": "other_host",
    "https://evilfbcdn.net/a": "other_host",
    "https://fbcdn.net.evil.example/a": "other_host",
    "https://evil.example/?x=.fbcdn.net": "other_host",
    "https://evil.example/#fbcdn.net": "other_host",
    "https://localhost/a": "other_host",
    "https://fbcdn.net@evil.example/a": "credentials",
    "https://a:b@lookaside.fbsbx.com/a": "credentials",
    "https://@lookaside.fbsbx.com/a": "credentials",
    "https://evil.example\\@fbcdn.net/a": "url",
    "https://fbcdn.net\\.evil.example/a": "url",
    "https://fbcdn.net /a": "url",
    "https://fbcdn.net/a\r\nHost: b": "url",
    "https://fbcdn.net/\x00": "url",
    "https://[::1/a": "url",
    "https://127.0.0.1/a": "not_public",
    "https://[::1]/a": "not_public",
    "https://2130706433/a": "not_public",
    "https://127.0.0.1./a": "not_public",
    "https://fbcdn.net/" + "a" * 5000: "url",
}


@pytest.mark.parametrize(("url", "why"), REFUSED.items())
def test_what_is_not_at_the_providers_is_refused(url: str, why: str) -> None:
    """Schemes, ports, other hosts, names that only look alike, users in URLs, control characters: each with its word."""
    with pytest.raises(Refused) as refused:
        META.check(url)
    assert refused.value.detail == why
    assert why in WHY
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://fbcdn.net/a",
        "https://scontent.xx.fbcdn.net/v/1?a=b",
        "https://LOOKASIDE.fbsbx.com./a",
        "https://cdn.fbsbx.com:443/",
    ],
)
def test_the_providers_own_hosts_are_reached(url: str) -> None:
    """Names below theirs, in any case, with a dot at the end."""
    assert META.check(url).scheme == "https"


def test_the_operators_own_place_is_taken_as_it_is_and_nothing_beside_it() -> None:
    """The simulator on loopback, by its very origin: no other port, scheme, name or form of the same address."""
    assert SIMULATOR.check("http://127.0.0.1:8090/messenger/media/1").port == 8090
    for other in (
        "http://127.0.0.1:8000/metrics", "http://127.0.0.1:5555/", "https://127.0.0.1:8090/", "http://localhost:8090/",
        "http://127.1:8090/", "http://[::ffff:127.0.0.1]:8090/", "http://127.0.0.1:8090@127.0.0.1:6399/", "https://fbcdn.net/a",
    ):  # fmt: skip
        with pytest.raises(Refused):
            SIMULATOR.check(other)
    with pytest.raises(Refused):
        Allowed().check("https://fbcdn.net/a")


@given(st.text(max_size=60))
def test_no_text_passes_or_breaks_the_check(text: str) -> None:
    """Whatever stands where a URL should: it is refused, or it is https at the provider's."""
    for url in (text, f"https://{text}", f"https://fbcdn.net{text}", f"https://{text}.fbcdn.net/"):
        try:
            found = META.check(url)
        except Refused:
            continue
        host = (found.host or "").rstrip(".").lower()
        assert (found.scheme, found.port) == ("https", 443)
        assert host.endswith(("fbcdn.net", "fbsbx.com"))


def test_addresses_are_read_as_they_are_used() -> None:
    """The table holds what the library cannot read as well: that is refused, not guessed."""
    assert any(_unreadable(each) for each in INSIDE)


def _unreadable(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return True
    return False
