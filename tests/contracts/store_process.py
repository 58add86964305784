"""A process of its own that works on the store of a test: `python -m tests.contracts.store_process COMMAND NAME [MORE]`.

It reads the usual settings from the environment, says `ready`, and begins when it is given a line.
"""

import sys
from contextlib import suppress
from itertools import count

from chat4all.model.conversations import Identity
from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.model.failures import Temporary
from chat4all.ports import Lease, MessageStore, Registration, Webhook
from chat4all.settings import load
from storage.open import open_store
from tests.contracts.stores import delivery, message

ROUNDS = 20


def write(store: MessageStore, name: str, _: str) -> None:
    """Write message after message with its delivery, in batches of five; say each seq when the store has acknowledged it."""
    for first in count(1, 5):
        seqs = range(first, first + 5)
        said = [message(name, seq, f"number {seq}") for seq in seqs]
        keys = [DeliveryKey(Lane(name, 0), seq, 0) for seq in seqs]
        store.register([Registration(name, each.message_id, each.seq, each.digest) for each in said])
        store.put_messages(said)
        store.put_deliveries([delivery(key) for key in keys])
        store.record({key: Facts(sent_at=key.seq, provider_id=f"p{key.seq}") for key in keys})
        store.raise_fanned({Lane(name, 0): seqs[-1]})
        for each in said:
            tell(f"{each.seq} {each.message_id}")


def claim(store: MessageStore, name: str, me: str) -> None:
    """Claim addresses that others claim too; say which ones we were told to have got."""
    for address in range(ROUNDS):
        [kept] = store.claim_addresses([Identity(name, str(address), me, 1)])
        if kept.user_id == me:
            tell(str(address))


def lease(store: MessageStore, name: str, me: str) -> None:
    """Take leases that others take too; say which ones we were told to have got."""
    for partition in range(ROUNDS):
        if store.swap_lease(Lane(name, partition), Lease(), Lease(me, 1, 1)):
            tell(str(partition))


def register(store: MessageStore, name: str, me: str) -> None:
    """Register ids that others register too, each at a seq of our own."""
    seqs = [(int(me) + at) % 7 + 1 for at in range(ROUNDS)]
    for at, seq in enumerate(seqs):
        store.register([Registration(name, f"{name}-{at}", seq, f"digest {seq}")])
        tell(f"{at} {seq}")


def merge(store: MessageStore, name: str, me: str) -> None:
    """Add facts to rows that others add to: our own attempts, and a time of our own."""
    for seq in range(1, ROUNDS + 1):
        at = (int(me) + seq) % 5 + 1
        store.record({DeliveryKey(Lane(name, 0), seq, 0): Facts(attempts=at, sent_at=at, provider_id=f"p{at}")})
        tell(f"{seq} {at}")


def change(store: MessageStore, name: str, me: str) -> None:
    """Change an endpoint that others change too; say which versions we were told to have made."""
    made = 0
    while made < ROUNDS:
        there = store.webhook(name)
        wanted = Webhook(name, me, version=there.version + 1 if there else 1)
        # Where the answer does not come, somebody has made that version.
        with suppress(Temporary):
            if store.put_webhook(wanted):
                made += 1
                tell(str(wanted.version))


def tell(line: str) -> None:
    """One line to the test, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Open, wait for the start, work, close."""
    command, name, more = sys.argv[1:]
    store = open_store(load())
    store.check()
    tell("ready")
    sys.stdin.readline()
    {each.__name__: each for each in (write, claim, lease, register, merge, change)}[command](store, name, more)
    store.close()


if __name__ == "__main__":
    main()
