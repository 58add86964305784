"""The control API: what arrived, people who write, how providers behave. For tests, demos, load tests and people."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ops.simulator.behaviour import Behaviour
from ops.simulator.desk import Desk
from ops.simulator.feed import Feed
from ops.simulator.model import Answer, Arrival, Said, now
from ops.simulator.record import Record

encode = msgspec.json.Encoder().encode


class Inbound(Struct, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A person writes. `provider_id` may be chosen to say the same thing twice, as providers sometimes do."""

    channel: str
    sender: str
    text: str
    name: str = ""
    reply_to: str = ""
    provider_id: str = ""
    file: "InboundFile | None" = None


class InboundFile(Struct, forbid_unknown_fields=True):
    """A file beside the words. In JSON `content` is base64."""

    filename: str
    mime_type: str
    content: bytes


class _Chosen(Struct):
    channel: str


class _Sent(Struct):
    sent: list[Arrival]
    next: int


_inbound = msgspec.json.Decoder(Inbound).decode
_chosen = msgspec.json.Decoder(_Chosen).decode


class Wrong(Exception):
    """A call to the control API that makes no sense. The text says why."""


class Control:
    """All desks, the record they share, and the feed of the phones page."""

    def __init__(self, desks: Mapping[str, Desk], record: Record, feed: Feed) -> None:
        self._desks = desks
        self._feed = feed
        self._record = record

    def call(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        """One call. Wrong when it makes no sense."""
        try:
            match method, path:
                case "GET", "sent":
                    return self._sent(query)
                case "GET", "stats":
                    return Answer(encode(self.stats()))
                case "POST", "inbound":
                    return self._says(_inbound(body))
                case "PUT", "behaviour":
                    return self._behave(body)
                case "GET", "behaviour":
                    return Answer(encode({name: desk.behaviour for name, desk in self._desks.items()}))
                case "DELETE", "":
                    return self._reset()
        except (msgspec.MsgspecError, ValueError) as error:
            raise Wrong(str(error)) from None
        raise Wrong("known: GET sent, POST inbound, GET or PUT behaviour, GET stats, DELETE")

    def stats(self) -> dict[str, dict[str, int]]:
        """Counts by channel; `waiting` are updates that no webhook has taken yet."""
        return {name: {**desk.counts, "waiting": desk.outbox.waiting()} for name, desk in self._desks.items()}

    def _desk(self, channel: str) -> Desk:
        if channel not in self._desks:
            raise Wrong(f"no channel {channel!r}; known: {', '.join(self._desks)}")
        return self._desks[channel]

    def _sent(self, query: Mapping[str, str]) -> Answer:
        channel, to = query.get("channel", ""), query.get("to", "")
        if channel:
            # In a query a "+" that was not escaped arrives as a space.
            to = self._desk(channel).provider.address(to) if to else ""
        after = int(query.get("after", "0") or 0) if query.get("after", "0").isdigit() else 0
        arrivals = list(self._record.sent(channel, to, after))
        return Answer(encode(_Sent(arrivals, after + len(arrivals))))

    def _says(self, inbound: Inbound) -> Answer:
        desk = self._desk(inbound.channel)
        sender = desk.provider.address(inbound.sender)
        file = inbound.file
        said = Said(
            channel=inbound.channel,
            account=desk.provider.account,
            sender=sender,
            text=inbound.text,
            provider_id=inbound.provider_id or desk.provider.new_id(sender),
            at=now(),
            name=inbound.name,
            reply_to=inbound.reply_to,
            attached=desk.provider.shelf.put(file.filename, file.mime_type, file.content) if file else None,
        )
        desk.says(said)
        return Answer(encode({"provider_id": said.provider_id}), 202)

    def _behave(self, body: bytes) -> Answer:
        desk = self._desk(_chosen(body).channel)
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        del fields["channel"]
        desk.behave(msgspec.json.decode(encode(fields), type=Behaviour))
        return Answer(encode(desk.behaviour))

    def _reset(self) -> Answer:
        for desk in self._desks.values():
            desk.forget()
        self._record.clear()
        self._feed.reset()
        return Answer(b"{}")
