"""The calls of the Python client that send more than words: places, choices, and what is about another message."""

from collections.abc import Mapping, Sequence
from typing import Any

from chat4all.client.bodies import Sent
from chat4all.model.content import Album, Choices, Deletion, Edit, Location, Media, Modifier, Option, Reaction, Text, Vote


class ContentCalls:
    """Mixed into `chat4all.client.Client`. `where`: the fields of `message`, such as to, conversation_id, reply_to."""

    def send(self, text: str = "", **fields: Any) -> Sent:
        """The client's."""
        raise NotImplementedError

    def message(self, message_id: str, wait: float = 0, conversation_id: str = "") -> dict[str, Any]:
        """The client's."""
        raise NotImplementedError

    def send_location(self, latitude: float, longitude: float, name: str = "", address: str = "", **where: Any) -> Sent:
        """Send a place, in degrees."""
        return self.send(payload=Location(latitude, longitude, name, address), **where)

    def send_album(self, file_ids: Sequence[str], caption: str = "", **where: Any) -> Sent:
        """Send two to ten files of the conversation as one album. `upload` gives their ids."""
        return self.send(payload=Album(tuple(map(Media, file_ids)), caption), **where)

    def ask(self, question: str, options: Mapping[str, str] | Sequence[str], style: str = "buttons", **where: Any) -> Sent:
        """Ask with answers to choose from: titles by their ids, or titles that are their own ids. An `answer` comes back.

        `style`: buttons, list, quick_replies or keyboard. For more (sections, links, a footer): `send(payload=Choices(…))`.
        """
        named = options if isinstance(options, Mapping) else dict(zip(options, options, strict=True))
        chosen = tuple(Option(name, title) for name, title in named.items())
        return self.send(payload=Choices(question, chosen, style), **where)

    def react(self, message_id: str, emoji: str, conversation_id: str = "", **more: Any) -> Sent:
        """React to a message; an empty emoji takes it back. The conversation is looked up unless given, here and below."""
        return self._about(message_id, Reaction(message_id, emoji), conversation_id, more)

    def vote(self, message_id: str, options: Sequence[int], conversation_id: str = "", **more: Any) -> Sent:
        """Vote in a poll, by the numbers of its options from 1; none takes the vote back."""
        return self._about(message_id, Vote(message_id, tuple(options)), conversation_id, more)

    def edit(self, message_id: str, text: str, conversation_id: str = "", **more: Any) -> Sent:
        """Say a message of this account in other words."""
        return self._about(message_id, Edit(Text(text), message_id), conversation_id, more)

    def delete(self, message_id: str, conversation_id: str = "", **more: Any) -> Sent:
        """Take a message back."""
        return self._about(message_id, Deletion(message_id), conversation_id, more)

    def _about(self, message_id: str, payload: Modifier, conversation_id: str, more: dict[str, Any]) -> Sent:
        place = conversation_id or str(self.message(message_id)["conversation_id"])
        return self.send(payload=payload, conversation_id=place, **more)
