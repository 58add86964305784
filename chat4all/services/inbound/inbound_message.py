"""One inbound message on its way to its conversation, with what is known of it so far."""

from chat4all.model.content import Content, Text
from chat4all.model.conversations import Membership
from chat4all.model.files import StoredFile
from chat4all.model.ids import first_message_id, provider_message_id
from chat4all.model.messages import body_digest
from chat4all.ports import Arrived, Inbound
from chat4all.services.acceptance.attachments import announced
from chat4all.services.directory import Address


class Arrival:
    """One inbound message on its way to its conversation."""

    __slots__ = ("edits", "file", "inbound", "is_old", "membership", "message_id", "owner", "repeat")

    def __init__(self, inbound: Inbound, owner: str) -> None:
        self.inbound = inbound
        self.owner = owner
        self.message_id = provider_message_id(inbound.channel, inbound.account, inbound.provider_id)
        self.membership: Membership
        self.file: StoredFile | None = None
        self.repeat = False
        self.is_old = False
        self.edits = ""

    @property
    def conversation_id(self) -> str:
        """Where it goes, as far as is known."""
        return self.membership.conversation.conversation_id

    @property
    def digest(self) -> str:
        """Of what the provider brought, never of what we made of it: else a repetition could look like another message."""
        given = self.inbound
        if self.is_old:
            return body_digest(given.channel, given.address, payload_of(self))
        return body_digest("inbound", given.text, given.reply_to, given.mime_type, given.filename)

    def follow(self, first: Arrived) -> None:
        """Take the id that was decided first. Older code decided the conversation only, and had another recipe for ids."""
        given = self.inbound
        self.is_old = not first.message_id
        self.message_id = first.message_id or first_message_id(given.channel, given.account, given.provider_id)

    @property
    def places(self) -> list[Address]:
        """The person's addresses, the one written from first."""
        return places_of(self.inbound)


def payload_of(arrival: Arrival) -> Content:
    """What is said: a file, or words."""
    if arrival.file:
        return announced(arrival.file, arrival.inbound.text)
    return Text(arrival.inbound.text or "(empty message)")


def places_of(inbound: Inbound) -> list[Address]:
    """The person's addresses, the one written from first."""
    both = (inbound.address, inbound.also_known_as)
    return [(inbound.channel, each) for each in dict.fromkeys(both) if each]
