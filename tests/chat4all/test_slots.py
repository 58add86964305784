"""Where a message's deliveries are: one function says it, for whoever writes them and whoever looks for them."""

from chat4all.model.content import Text
from chat4all.model.deliveries import DeliveryKey, Lane
from chat4all.model.messages import Message, Recipient
from chat4all.model.slots import delivery_key, resent_key, slots
from chat4all.ports.progress import Progress, undone

TO = (Recipient("ana", "whatsapp", "+1", rendition=1), Recipient("bo", "telegram", "2"))
SAID = Message(
    message_id="m",
    conversation_id="talk",
    sender="alice",
    payload=Text("one two"),
    digest="d",
    members_version=1,
    accepted_at=1,
    recipients=TO,
    renditions=(("one", "two"),),
    seq=7,
    resend_of=3,
    resend_index=2,
)


def test_each_slot_has_its_delivery_in_the_lane_of_its_channel() -> None:
    """Parts follow each other; the index counts over all recipients, whatever their channel."""
    keys = [delivery_key(SAID, each, 4) for each in slots(SAID)]
    whatsapp, telegram = Lane("whatsapp", 4), Lane("telegram", 4)
    assert keys == [DeliveryKey(whatsapp, 7, 0), DeliveryKey(whatsapp, 7, 1), DeliveryKey(telegram, 7, 2)]


def test_a_resend_and_what_it_sends_again_find_each_other() -> None:
    """A resend has one recipient; its record names the seq and the index of the older delivery."""
    first = resent_key(SAID, Lane("whatsapp", 4))
    assert first == DeliveryKey(Lane("whatsapp", 4), 3, 2)
    assert first.resend(7) == DeliveryKey(Lane("whatsapp", 4), 7, 0)


def test_a_partition_is_gone_on_with_after_what_is_done() -> None:
    """From its first offset where nothing is known."""
    progress = {0: Progress(41, 1), 1: Progress(-1, 1)}
    assert [undone(progress, each) for each in range(3)] == [42, 0, 0]
