"""One inbound message on its way to its conversation, with what is known of it so far."""

from msgspec.structs import replace

from chat4all.model.content import Answer, Content, Deletion, Edit, Reaction, Text, Vote
from chat4all.model.conversations import Membership
from chat4all.model.files import StoredFile
from chat4all.model.ids import first_message_id, provider_message_id
from chat4all.model.messages import Origin, body_digest
from chat4all.ports import Arrived, Inbound, Spoken
from chat4all.services.acceptance.attachments import announced
from chat4all.services.inbound.pointers import NOWHERE


class Arrival:
    """One inbound message on its way to its conversation."""

    __slots__ = (
        "answer", "edits", "file", "inbound", "is_old", "membership", "message_id", "owner", "pointed", "repeat", "spoken",
    )  # fmt: skip

    def __init__(self, inbound: Inbound, owner: str) -> None:
        self.inbound = inbound
        self.owner = owner
        self.message_id = provider_message_id(inbound.channel, inbound.account, inbound.provider_id)
        self.membership: Membership
        self.file: StoredFile | None = None
        self.repeat = False
        self.is_old = False
        self.edits = ""
        self.pointed = NOWHERE
        self.spoken: Spoken | None = None
        self.answer: Answer | Vote | None = None

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


def payload_of(arrival: Arrival) -> Content:
    """What is said: a file, words, or what its channel could read in it."""
    inbound, content, file = arrival.inbound, arrival.inbound.content, arrival.file
    if isinstance(content, Edit):
        words = announced(file, content.content.as_text(), inbound.kind) if file else content.content
        return Edit(words, arrival.pointed.about or arrival.edits)
    if file:
        return announced(file, inbound.text, inbound.kind)
    if isinstance(content, Reaction | Vote | Deletion):
        return replace(content, target=arrival.pointed.about)
    if isinstance(content, Answer):
        _, option_id, title = arrival.pointed.option or ("", content.option_id, content.title)
        # A button that is none of ours carries what its maker put there.
        data = "" if arrival.pointed.option else content.data or inbound.option
        return Answer(arrival.pointed.about, option_id, content.title or title, data)
    return arrival.answer or content or Text(inbound.text or "(empty message)")


def origin_of(inbound: Inbound, account_id: str) -> Origin:
    """Where it comes from. `account_id`: what we call the account."""
    return Origin(
        inbound.channel,
        inbound.account,
        inbound.address,
        inbound.provider_id,
        inbound.at,
        "provider" if inbound.is_echo else "",
        inbound.group,
        inbound.speaker_id,
        account_id,
    )
