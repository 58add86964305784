"""Accounts: users with passwords and service clients with secrets. Only argon2 hashes are kept."""

import re
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec.structs import replace

from chat4all.model.callers import SCOPES
from chat4all.model.clock import now_ms
from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.display_names import fault
from chat4all.model.failures import Temporary
from chat4all.model.ids import RESERVED_PREFIXES, is_reserved, is_uuid
from chat4all.model.sessions import Holding
from chat4all.ports import Directory, MessageStore
from chat4all.services.access.logins import Logins, new_secret
from chat4all.services.directory import (
    ID_SPACE,
)

# Each takes 19 MiB while it is under way: so there are two such threads. Who stands in line holds a thread of the
# gateway, so the line is shorter than those.
AT_ONCE = 2
IN_LINE = 8
Result = TypeVar("Result")
CLIENTS = "client"
USER_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Taken(Exception):
    """Somebody else has this id."""


class Nobody(Exception):
    """There is no such service client."""


class Busy(Temporary):
    """Too many secrets are being checked in this process; come again in a second."""

    def __init__(self) -> None:
        super().__init__("busy", "too many logins at once")


class SecretHashes:
    """Makes and checks hashes of secrets, `AT_ONCE` at the same time. Every method raises Busy when the line is full."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._line = threading.BoundedSemaphore(IN_LINE)
        self._pool = ThreadPoolExecutor(AT_ONCE, "argon2")
        self._nobody = hasher.hash(secrets.token_urlsafe(16))

    def of(self, secret: str) -> str:
        """The hash to keep of a password or client secret."""
        return self._in_turn(lambda: self._hasher.hash(secret))

    def fits(self, user: User | None, secret: str) -> bool:
        """Whether this is the user's secret. Takes as long for an unknown user, so that nobody learns who exists."""
        kept = user.password_hash if user and user.password_hash else self._nobody
        try:
            matches = self._in_turn(lambda: self._hasher.verify(kept, secret))
        except (VerificationError, InvalidHashError):
            return False
        return matches and bool(user and user.password_hash)

    def _in_turn(self, work: Callable[[], Result]) -> Result:
        """Do this on one of the few threads for it."""
        if not self._line.acquire(blocking=False):
            raise Busy
        try:
            return self._pool.submit(work).result()
        finally:
            self._line.release()


# Of the process: what it does at once is bounded. 19 MiB and two passes: the least that OWASP recommends; about 25 ms, so that
# a login does not starve the gateway.
_HASHES = SecretHashes(PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1))


def check_user_id(user_id: str) -> str:
    """The id, if somebody may choose it. ValueError says what is wrong."""
    if not USER_ID.fullmatch(user_id):
        raise ValueError("1 to 64 characters of A-Z a-z 0-9 _ . -")
    if is_uuid(user_id) and is_reserved(user_id):
        raise ValueError("UUIDs of versions 5 and 8 are the server's; another id")
    if user_id.casefold() == "me" or not any(each.isalnum() for each in user_id):
        raise ValueError("an id with a letter or digit, and not me: as part of a path it must lead to this user")
    if user_id.casefold().startswith(RESERVED_PREFIXES):
        raise ValueError(f"ids that begin with {' or '.join(RESERVED_PREFIXES)} are made by the server")
    return user_id


def check_name(display_name: str) -> str:
    """The name, if it may stand in front of somebody's words. ValueError says what is wrong."""
    wrong = fault(display_name)
    if wrong:
        raise ValueError(wrong)
    return display_name


def hash_secret(secret: str) -> str:
    """The argon2 hash to keep of a password or client secret. Busy as for `check_secret`."""
    return _HASHES.of(secret)


def check_secret(user: User | None, secret: str) -> bool:
    """Whether this is the user's secret. Busy when too many are being checked."""
    return _HASHES.fits(user, secret)


def create_user(store: Directory, user_id: str, password: str, display_name: str = "") -> User:
    """Register a person. ValueError for an id that cannot be chosen, Taken when it is another's."""
    return _add(store, User(check_user_id(user_id), UserKind.PERSON, now_ms(), display_name, hash_secret(password)))


def create_contact(store: Directory, user_id: str, display_name: str = "") -> User:
    """Register somebody without a login. ValueError and Taken as for `create_user`."""
    return _add(store, User(check_user_id(user_id), UserKind.CONTACT, now_ms(), display_name))


def create_client(store: MessageStore, name: str, scopes: Iterable[str]) -> str:
    """Register a service client; its secret, shown only now. ValueError for an unknown scope or a bad name, else Taken."""
    chosen = tuple(dict.fromkeys(scopes))
    unknown = [scope for scope in chosen if scope not in SCOPES]
    if unknown:
        raise ValueError(f"unknown scope {unknown[0]!r}; known: {', '.join(SCOPES)}")
    secret = new_secret()
    _add(store, User(check_user_id(name), UserKind.CLIENT, now_ms(), "", hash_secret(secret), chosen))
    store.hold([Holding("", CLIENTS, name)])
    return secret


def client_names(store: MessageStore) -> list[str]:
    """All service clients, by name. One of an older release is among them when it has logged in."""
    return [each.thing for each in store.holdings("", CLIENTS)]


def rotate_client(store: MessageStore, logins: Logins, name: str) -> tuple[User, str]:
    """Give a service client another secret; (client, secret). Nobody when there is no such client."""
    secret = new_secret()
    hashed = hash_secret(secret)
    _check_client(store, name)
    rotated = logins.end_all(name, lambda user: replace(user, password_hash=hashed))
    if rotated is None:
        raise Nobody(name)
    return rotated, secret


def delete_client(store: MessageStore, logins: Logins, name: str) -> None:
    """Take a service client away. Its name stays taken: what it did must not look as if another had done it."""
    _check_client(store, name)
    now = now_ms()
    logins.end_all(name, lambda user: replace(user, password_hash="", disabled_at=user.disabled_at or now))
    store.let_go("", CLIENTS, [name])


def _check_client(store: MessageStore, name: str) -> None:
    user = store.users([name]).get(name)
    if user is None or user.kind is not UserKind.CLIENT or not user.password_hash:
        raise Nobody(f"there is no service client {name}")


def _add(store: Directory, user: User) -> User:
    """Ids that differ in upper and lower case only look alike: the first has them all."""
    folded = user.user_id.casefold()
    [claimed] = store.claim_addresses([Identity(ID_SPACE, folded, user.user_id, user.created_at, verified=False)])
    if claimed.user_id != user.user_id or (folded != user.user_id and store.users([folded])):
        raise Taken(f"{user.user_id} is taken")
    if store.add_users([user])[0] != user:
        raise Taken(f"{user.user_id} is taken")
    return user
