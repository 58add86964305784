"""What was written before an account was connected opens no conversation."""

from chat4all.model.content import ChatChange, Text
from chat4all.model.conversations import User, UserKind
from chat4all.model.handling import Handling, is_opening
from chat4all.model.messages import Message, Origin


def test_only_what_is_new_opens_a_conversation() -> None:
    """A customer's words do; those of the history do not, nor does who came or went. A caller's own metadata means nothing."""
    ana = User("ana", UserKind.CONTACT, 1)
    fields = {"message_id": "m", "conversation_id": "c", "sender": "ana", "payload": Text("hi"), "members_version": 1}
    origin = Origin("whatsapp", "1", "+55", "wamid.1", 1)

    def opens(**more: object) -> bool:
        return is_opening(Message(**fields, accepted_at=1, digest="d", seq=5, **more), ana, Handling("c"))  # type: ignore[arg-type]

    assert opens(origin=origin)
    assert not opens(origin=origin, metadata={"history": True})
    assert opens(metadata={"history": True})
    fields["payload"] = ChatChange("joined")
    assert not opens(origin=origin)
