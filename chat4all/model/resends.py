"""How a delivery is sent again: as a record of its own in the same conversation, which refers to the first one. Pure."""

from msgspec.structs import replace

from chat4all.model.deliveries import Delivery
from chat4all.model.messages import Message, Recipient


def resend_of(row: Delivery, message: Message, message_id: str, address: str, at: int, bounces: int = 0) -> Message:
    """The message that sends this row again to an address, accepted at `at`. `message`: the row's own, or its first.

    `bounces`: how often it had failed after the provider took it. What is sent again has no route.
    """
    return replace(
        message,
        message_id=message_id,
        accepted_at=at,
        recipients=(Recipient(row.user_id, row.key.lane.channel, address, account=row.account, as_human=row.as_human),),
        renditions=(),
        payload=row.payload,
        sender_name=row.sender_name,
        resend_of=row.first_seq or row.key.seq,
        resend_index=row.first_index if row.first_seq else row.key.index,
        resend_id=row.message_id,
        route=(),
        leg=0,
        first_channel="",
        overlaps=False,
        bounces=bounces,
        seq=0,
        holds=False,
        expires_at=0,
    )
