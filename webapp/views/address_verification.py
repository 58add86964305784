"""How a user gets an address: a service client gives it, or the user proves it with a code that is sent to that address."""

import hashlib
import hmac
import secrets

import msgspec

from chat4all.model.callers import SEND, Caller
from chat4all.model.clock import now_ms
from chat4all.model.content import Text
from chat4all.model.conversations import Identity, User, UserKind, Verification
from chat4all.model.drafts import Draft, Refused
from chat4all.model.ids import CONTACT_PREFIX
from chat4all.model.workspaces import stored
from chat4all.services.directory import (
    Address,
)
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem, problem_of
from webapp.requests.rate_limits import network

# Five tries in ten minutes (docs/api.md, Addresses and links).
CODE_LIFE_MS = 600_000
CODE_PAUSE_MS = 60_000
CODE_TRIES = 5


def claim(user: User, target: Address, named: bool = False) -> Identity:
    """Give the address to the user. Problem 409 when it is another's; a contact made for it gives way.

    `named`: only to a contact that we made ourselves, not to one that an operator registered.
    """
    store = gateway().store
    owner = _owner(target)
    if owner and owner.user_id != user.user_id:
        if not _gives_way(owner, named):
            raise Problem(409, "address_taken", "this address belongs to another user", "address")
        store.release_address(*target, owner.user_id)
    kept = store.claim_addresses([Identity(*target, user.user_id, now_ms())])[0]
    if kept.user_id != user.user_id:
        raise Problem(409, "address_taken", "this address belongs to another user", "address")
    return kept


def send_code(user: User, target: Address) -> Identity:
    """Send a code to the address. The identity as it is: unverified, unless it was the user's already.

    Whether it is another's is told only to who has the code: else anybody could find out who is known by which number.
    """
    store = gateway().store
    there = store.owners([target]).get(target)
    if there and there.user_id == user.user_id and there.verified:
        return there
    now = now_ms()
    earlier = store.verification(user.user_id, *target)
    wait_ms = earlier.expires_at - CODE_LIFE_MS + CODE_PAUSE_MS - now if earlier else 0
    if wait_ms > 0:
        raise Problem(429, "code_sent", "a code was sent a moment ago", headers={"Retry-After": str(-(-wait_ms // 1000))})
    gateway().limits.code(stored(gateway().workspace, user.user_id), network(), ":".join(target))
    code = f"{secrets.randbelow(10**6):06}"
    store.put_verification(Verification(user.user_id, *target, _hash(code), now + CODE_LIFE_MS, CODE_TRIES))
    _send(target, f"Your Chat4All code is {code}. It is valid for {CODE_LIFE_MS // 60_000} minutes.")
    return Identity(*target, user.user_id, 0, verified=False)


def confirm(user: User, target: Address, code: str) -> Identity:
    """Give the address to the user if the code is the one that was sent. Problem 422 when it is not, or no longer."""
    store = gateway().store
    waiting = _take_try(user, target)
    if not hmac.compare_digest(waiting.code_hash, _hash(code)):
        raise Problem(422, "wrong_code", "this is not the code that was sent", "code")
    claimed = claim(user, target)
    store.put_verification(msgspec.structs.replace(waiting, tries_left=0))
    return claimed


def _take_try(user: User, target: Address) -> Verification:
    """The code that waits, with one try less: whoever guesses beside us takes another. Problem 422 when none is left."""
    store = gateway().store
    while True:
        waiting = store.verification(user.user_id, *target)
        if waiting is None or waiting.expires_at < now_ms() or waiting.tries_left < 1:
            raise Problem(422, "no_code", "no code waits for this address; ask for a new one", "code")
        taken = msgspec.structs.replace(waiting, tries_left=waiting.tries_left - 1)
        # Each round that is lost is a try that somebody else has taken, so this ends.
        if store.swap_verification(waiting, taken):
            return taken


def _owner(target: Address) -> User | None:
    identity = gateway().store.owners([target]).get(target)
    return gateway().people.users([identity.user_id]).get(identity.user_id) if identity else None


def _gives_way(owner: User, named: bool) -> bool:
    return owner.kind is UserKind.CONTACT and (not named or owner.user_id.startswith(CONTACT_PREFIX))


def _hash(code: str) -> str:
    key = gateway().settings.secret("jwt").encode()[:64]
    return hashlib.blake2b(code.encode(), key=key, digest_size=16).hexdigest()


def _send(target: Address, text: str) -> None:
    """Write from the channel's inbox, as any message goes."""
    channel, address = target
    inbox = gateway().people.inbox(channel)
    draft = Draft(payload=Text(text), to=[f"{channel}:{address}"])
    sent = gateway().acceptor.accept(Caller(inbox, UserKind.INBOX, frozenset({SEND})), [draft])[0]
    if isinstance(sent, Refused):
        raise problem_of(sent)
