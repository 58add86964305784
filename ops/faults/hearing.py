"""What an endpoint of outgoing webhooks was told, judged as a reader of everything. Pure."""

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from ops.faults.checker import check
from ops.faults.history import Arrival, History, Position, Told
from ops.harness.endpoint import Heard, firsts

NAME = "endpoint"
# Judged of the run itself.
ELSEWHERE = frozenset({"doubled_out", "leaks", "unfounded", "unkept", "misplaced", "miscounted", "unexplained", "endless"})


def two_faced(heard: Iterable[Heard]) -> list[str]:
    """Ids that do not say the same each time, or that are not those of their bodies."""
    said: dict[str, object] = {}
    wrong = []
    for each in heard:
        words = (each.event["type"], each.event.get("seq"), each.event["data"])
        if each.event["id"] != each.event_id or said.setdefault(each.event_id, words) != words:
            wrong.append(each.event_id)
    return wrong


def as_history(heard: Sequence[Heard], base: History) -> History:
    """The run as seen by one who is to hear of every message, every state and every position."""
    once, asked = firsts(heard), {each.message_id for each in base.accepted}
    seen = [_arrival(each) for each in once if each.event["type"] == "message.accepted"]
    return replace(
        base,
        accepted=[replace(each, readers=frozenset({NAME})) for each in base.accepted],
        arrivals=[each for each in base.arrivals if each.message_id in asked],
        seen=[each for each in seen if each.message_id in asked],
        told=[_told(each) for each in once if each.event["type"] == "delivery.updated"],
        positions=[_position(each) for each in once if each.event["type"] == "position.updated"],
        resumed=(),
        files=(),
    )


def judged(heard: Sequence[Heard], base: History) -> dict[str, Collection[object]]:
    """What was wrong with it, by name. What channels were sent is judged elsewhere, and who may hear all is told no secret."""
    report = check(as_history(heard, base))
    return {name: getattr(report, name) for name in report.__struct_fields__ if name not in ELSEWHERE}


def _arrival(heard: Heard) -> Arrival:
    data = heard.event["data"]
    words = data["payload"].get("text", "") if data["payload"]["type"] == "text" else ""
    return Arrival(NAME, heard.event["conversation_id"], data["message_id"], heard.at, words)


def _told(heard: Heard) -> Told:
    data = heard.event["data"]
    return Told(NAME, data["message_id"], data["recipient"], data["channel"], data["state"])


def _position(heard: Heard) -> Position:
    data = heard.event["data"]
    return Position(NAME, data["conversation_id"], data["user_id"], data["delivered_up_to"], data["read_up_to"])
