"""The Cassandra or ScyllaDB of a URL: addresses, consistency levels, and which of its errors is which kind of failure."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cassandra import (
    ConsistencyLevel,
    InvalidRequest,
    OperationTimedOut,
    RequestExecutionException,
    Timeout,
    UnresolvableContactPoints,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage
from msgspec import Struct

from chat4all.model.failures import Mismatch, Temporary
from chat4all.settings import SettingsError

USAGE = "cassandra://host[:port][,host[:port]]/keyspace[?replication=3&consistency=LOCAL_QUORUM&datacenter=…&user=…&ca=file]"
OPTIONS = frozenset({"replication", "consistency", "datacenter", "user", "ca"})
PORT = 9042
# The most copies with which two sets of so many must share one: R + W > N.
MOST_COPIES = {"ONE": 1, "LOCAL_ONE": 1, "TWO": 3, "THREE": 5}
LEVELS = (*MOST_COPIES, "QUORUM", "LOCAL_QUORUM", "ALL")


class Place(Struct, frozen=True):
    """Where the store is. `replication`: copies of each row that we make and that must be there; 0: what is there,
    else as many as there are nodes, 3 at most. `ca`: a file with the CA that signs the nodes' certificates; empty: no TLS.
    """

    hosts: tuple[tuple[str, int], ...]
    keyspace: str
    replication: int = 0
    consistency: str = "LOCAL_QUORUM"
    datacenter: str = ""
    user: str = ""
    ca: str = ""

    @property
    def is_local(self) -> bool:
        """Whether only one datacenter answers for reads and writes."""
        return self.consistency.startswith("LOCAL_")

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What the nodes' certificates are checked by; None: no TLS. SettingsError: the file holds no certificate.

        Nodes find each other by address, which certificates seldom name: that our CA signed theirs is what is asked.
        """
        if not self.ca:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        try:
            context.load_verify_locations(self.ca)
        except OSError as error:
            raise SettingsError(f"CHAT4ALL_STORE: ca={self.ca}: {error.strerror or 'no certificate'}") from None
        return context

    @property
    def level(self) -> int:
        """The driver's number for the consistency of reads and writes."""
        number: int = ConsistencyLevel.name_to_value[self.consistency]
        return number

    @property
    def serial_level(self) -> int:
        """The same for compare-and-set."""
        number: int = ConsistencyLevel.LOCAL_SERIAL if self.is_local else ConsistencyLevel.SERIAL
        return number

    def __str__(self) -> str:
        return f"{','.join(f'{host}:{port}' for host, port in self.hosts)}/{self.keyspace}"


def parse(url: str) -> Place:
    """The place that a URL names. SettingsError when it names none, or when reads could miss writes."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    keyspace = parts.path.strip("/")
    if "keep_days" in options:
        raise SettingsError("CHAT4ALL_STORE: keep_days is CHAT4ALL_KEEP_DELIVERIES_DAYS now")
    named = keyspace.isascii() and keyspace.isidentifier() and keyspace == keyspace.lower() and len(keyspace) <= 48
    if options.keys() - OPTIONS or not parts.netloc or not named:
        raise SettingsError(f"CHAT4ALL_STORE: expected {USAGE}")
    place = Place(
        tuple(_host(each) for each in parts.netloc.split(",")),
        keyspace,
        _number(options, "replication", 0),
        options.get("consistency", "LOCAL_QUORUM").upper(),
        options.get("datacenter", ""),
        options.get("user", ""),
        options.get("ca", ""),
    )
    if place.consistency not in LEVELS:
        raise SettingsError(f"CHAT4ALL_STORE: consistency must be one of {', '.join(LEVELS)}")
    if complaint := unsafe(place.consistency, place.replication):
        raise SettingsError(f"CHAT4ALL_STORE: {complaint}")
    return place


def unsafe(consistency: str, copies: int) -> str:
    """Why reads at this consistency could miss writes at the same one; empty when they cannot."""
    if copies <= MOST_COPIES.get(consistency, copies):
        return ""
    return f"with {copies} copies, reads at {consistency} may miss what was written at {consistency}; use LOCAL_QUORUM"


def check_copies(place: Place, replication: dict[str, str]) -> int:
    """The copies that `place` reads and writes among. Mismatch when that is not what the URL says, or unsafe."""
    copies = {name: int(count) for name, count in replication.items() if name != "class"}
    if place.is_local and len(copies) > 1 and place.datacenter not in copies:
        raise Mismatch("store_datacenter", f"{place.keyspace} is in {', '.join(copies)}: name ours as datacenter=… in the URL")
    ours = copies[place.datacenter] if place.is_local and place.datacenter in copies else sum(copies.values())
    if place.replication not in (0, ours):
        raise Mismatch("store_replication", f"{place.keyspace} has {ours} copies, not {place.replication}")
    if complaint := unsafe(place.consistency, ours):
        raise Mismatch("store_consistency", complaint)
    return ours


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or "@" in text or not (port or str(PORT)).isdecimal():
        raise SettingsError(f"CHAT4ALL_STORE: expected {USAGE}")
    return host, int(port or PORT)


def _number(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdecimal():
        raise SettingsError(f"CHAT4ALL_STORE: {name} must be a number; expected {USAGE}")
    return int(text)


class Undecided(Temporary):
    """A compare-and-set whose answer did not come: it may have happened, or may happen yet."""


@contextmanager
def as_failures(kind: type[Temporary] = Temporary) -> Iterator[None]:
    """The driver's errors as ours. What is wrong with a statement itself comes through as it is: it is our mistake."""
    try:
        yield
    except InvalidRequest as error:
        if "does not exist" in str(error) or "unconfigured table" in str(error):
            raise Mismatch("store_schema_absent", "nobody has migrated this store yet") from error
        raise
    except (OperationTimedOut, Timeout) as error:
        raise kind("store", type(error).__name__) from error
    except NoHostAvailable as error:
        causes = {type(each).__name__ for each in _causes(error)}
        raise kind("store", f"no node answers: {', '.join(sorted(causes)) or 'none is known'}") from error
    except (RequestExecutionException, ErrorMessage, ConnectionException, UnresolvableContactPoints, OSError) as error:
        raise kind("store", type(error).__name__) from error


def _causes(error: Any) -> list[Any]:
    return list(error.errors.values()) if isinstance(error.errors, dict) else []
