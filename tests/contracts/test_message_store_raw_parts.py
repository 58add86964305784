"""Every message store keeps what a provider sent of a message that had no type."""

import os

from chat4all.ports import MessageStore
from chat4all.ports.raw_parts import RAW_MOST
from tests.contracts.stores import fresh


def test_what_a_provider_sent_comes_back_byte_for_byte(store: MessageStore, other: MessageStore) -> None:
    """Of this message in this conversation; of any other there is none."""
    conversation, message = fresh("c"), fresh("m")
    sent = '{"type":"poll","question":"chá ☕?"}'.encode()
    store.put_raw({(conversation, message): sent})
    assert other.raw(conversation, message) == sent
    assert store.raw(conversation, fresh("m")) is None
    assert store.raw(fresh("c"), message) is None


def test_putting_it_again_changes_nothing(store: MessageStore) -> None:
    """A webhook that comes twice is kept once; nothing at all is nothing."""
    conversation, message = fresh("c"), fresh("m")
    for _ in range(2):
        store.put_raw({(conversation, message): b"{}"})
    store.put_raw({})
    assert store.raw(conversation, message) == b"{}"


def test_it_is_bounded(store: MessageStore) -> None:
    """However much a provider sends, so much is kept, also of what does not compress."""
    conversation, message, sent = fresh("c"), fresh("m"), os.urandom(RAW_MOST + 1000)
    store.put_raw({(conversation, message): sent})
    assert store.raw(conversation, message) == sent[:RAW_MOST]
