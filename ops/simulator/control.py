"""The control API: what arrived, people who write, how providers behave. For tests, demos, load tests and people."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ops.simulator.apps import SimulatedApp
from ops.simulator.behaviour import Behaviour
from ops.simulator.channel import SimulatedChannel
from ops.simulator.feed import Feed
from ops.simulator.model import Answer, Arrival, Clock, Said
from ops.simulator.providers.provider import is_digits
from ops.simulator.providers.templates import Template, Templates
from ops.simulator.providers.whatsapp import WhatsApp
from ops.simulator.providers.whatsapp_webhooks import TEMPLATE, template_status
from ops.simulator.record import Record

encode = msgspec.json.Encoder().encode


class Inbound(Struct, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A person writes. `provider_id` may be chosen to say the same thing twice, as providers sometimes do.

    `content`: what it is, where it is more than words and a file (`Said.content`). `group`: the same for all files of an
    album, where the provider tells that they are one. `account`: whom they write to; empty: the provider's first.
    """

    channel: str
    sender: str
    text: str = ""
    name: str = ""
    reply_to: str = ""
    provider_id: str = ""
    file: "InboundFile | None" = None
    content: dict[str, Any] = {}
    group: str = ""
    account: str = ""


class InboundFile(Struct, forbid_unknown_fields=True):
    """A file beside the words. In JSON `content` is base64. `kind`: what it is sent as, such as "document" for a picture."""

    filename: str
    mime_type: str
    content: bytes
    kind: str = ""


class Ahead(Struct, forbid_unknown_fields=True):
    """How far the providers' clock is ahead of the machine's, in seconds; negative: behind."""

    ahead_s: float


class Chosen(Struct, forbid_unknown_fields=True):
    """The templates of the account, beside hello_world."""

    templates: list[Template]


class ChosenApps(Struct, forbid_unknown_fields=True):
    """The apps of a provider, beside the first."""

    channel: str
    apps: list[SimulatedApp]


class _Chosen(Struct):
    channel: str


class _Sent(Struct):
    sent: list[Arrival]
    next: int


_inbound = msgspec.json.Decoder(Inbound).decode
_ahead = msgspec.json.Decoder(Ahead).decode
_templates = msgspec.json.Decoder(Chosen).decode
_apps = msgspec.json.Decoder(ChosenApps).decode
_chosen = msgspec.json.Decoder(_Chosen).decode


class Wrong(Exception):
    """A call to the control API that makes no sense. The text says why."""


class Control:
    """All channels, the record they share, and the feed of the phones page."""

    def __init__(self, channels: Mapping[str, SimulatedChannel], record: Record, feed: Feed, clock: Clock) -> None:
        self._channels = channels
        self._clock = clock
        self._feed = feed
        self._record = record

    def call(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        """One call. Wrong when it makes no sense."""
        calls: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "sent"): lambda: self._sent(query),
            ("GET", "stats"): lambda: Answer(encode(self.stats())),
            ("POST", "inbound"): lambda: self._says(_inbound(body)),
            ("PUT", "behaviour"): lambda: self._behave(body),
            ("GET", "behaviour"): lambda: Answer(encode({name: each.behaviour for name, each in self._channels.items()})),
            ("GET", "clock"): self._tell_time,
            ("PUT", "clock"): lambda: self._move_clock(_ahead(body)),
            ("GET", "templates"): self._list_templates,
            ("PUT", "templates"): lambda: self._set_templates(_templates(body)),
            ("GET", "apps"): self._list_apps,
            ("PUT", "apps"): lambda: self._set_apps(_apps(body)),
            ("DELETE", ""): self._reset,
        }
        if (method, path) not in calls:
            raise Wrong(f"known: {', '.join(' '.join(each).strip() for each in calls)}")
        try:
            return calls[method, path]()
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:
            raise Wrong(str(error)) from None

    def _tell_time(self) -> Answer:
        return Answer(encode({"now": self._clock.now(), "ahead_s": self._clock.ahead_ms / 1000}))

    def _move_clock(self, wanted: Ahead) -> Answer:
        self._clock.ahead_ms = int(wanted.ahead_s * 1000)
        return self._tell_time()

    def _account_templates(self) -> Templates:
        provider = self._channel("whatsapp").provider
        assert isinstance(provider, WhatsApp)  # noqa: S101
        return provider.templates

    def _list_templates(self) -> Answer:
        return Answer(encode({"templates": self._account_templates().all()}))

    def _set_templates(self, wanted: Chosen) -> Answer:
        """And tell of each whose status is another now, or that is new."""
        kept, simulated = self._account_templates(), self._channel("whatsapp")
        before = {each["id"]: each["status"] for each in kept.all()}
        kept.set(wanted.templates)
        for each in wanted.templates:
            template_id = kept.id_of(each.name, each.language)
            if before.get(template_id) != each.status:
                account = simulated.provider.account
                simulated.tell(TEMPLATE, template_status(account, each, template_id, self._clock.now()))
        return self._list_templates()

    def _list_apps(self) -> Answer:
        """Without their secrets."""
        there = {name: each.provider.apps.all for name, each in self._channels.items() if each.provider.apps}
        shown = {name: [replace(app, app_secret="") for app in apps] for name, apps in there.items()}
        return Answer(encode(shown))

    def _set_apps(self, wanted: ChosenApps) -> Answer:
        apps = self._channel(wanted.channel).provider.apps
        if apps is None:
            raise Wrong(f"{wanted.channel} has no apps")
        apps.set(wanted.apps)
        return self._list_apps()

    def stats(self) -> dict[str, dict[str, int]]:
        """Counts by channel; `waiting` are updates that no webhook has taken yet."""
        return {name: {**each.counts, "waiting": each.outbox.waiting()} for name, each in self._channels.items()}

    def _channel(self, channel: str) -> SimulatedChannel:
        if channel not in self._channels:
            raise Wrong(f"no channel {channel!r}; known: {', '.join(self._channels)}")
        return self._channels[channel]

    def _sent(self, query: Mapping[str, str]) -> Answer:
        channel, to = query.get("channel", ""), query.get("to", "")
        if channel:
            # In a query a "+" that was not escaped arrives as a space.
            to = self._channel(channel).provider.address(to) if to else ""
        after = int(query["after"]) if is_digits(query.get("after", "")) else 0
        arrivals = list(self._record.sent(channel, to, after))
        return Answer(encode(_Sent(arrivals, after + len(arrivals))))

    def _says(self, inbound: Inbound) -> Answer:
        simulated = self._channel(inbound.channel)
        sender = simulated.provider.address(inbound.sender)
        file, kept = inbound.file, simulated.provider.media_store
        said = Said(
            channel=inbound.channel,
            account=inbound.account or simulated.provider.account,
            sender=sender,
            text=inbound.text,
            provider_id=inbound.provider_id or simulated.provider.new_id(sender),
            at=self._clock.now(),
            name=inbound.name,
            reply_to=inbound.reply_to,
            attached=kept.put(file.filename, file.mime_type, file.content, file.kind) if file else None,
            content=inbound.content,
            group=inbound.group,
        )
        simulated.says(said)
        return Answer(encode({"provider_id": said.provider_id}), 202)

    def _behave(self, body: bytes) -> Answer:
        simulated = self._channel(_chosen(body).channel)
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        del fields["channel"]
        fields.setdefault("window", msgspec.Raw(encode(simulated.usual.window)))
        simulated.behave(msgspec.json.decode(encode(fields), type=Behaviour))
        return Answer(encode(simulated.behaviour))

    def _reset(self) -> Answer:
        for simulated in self._channels.values():
            simulated.forget()
            if simulated.provider.apps:
                simulated.provider.apps.set([])
        self._record.clear()
        self._clock.ahead_ms = 0
        self._account_templates().set([])
        self._feed.reset()
        return Answer(b"{}")
