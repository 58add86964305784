"""How the road from acceptance to the providers stands now, by what log and store know: what waits where, and who works."""

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from chat4all.model.records import INCOMING, STATUS
from chat4all.ports import WEBHOOKS, EventLog, LaneState, MessageStore
from chat4all.ports.progress import undone
from chat4all.settings import Settings

WORKED_ON = (INCOMING, STATUS)


def topics(log: EventLog, store: MessageStore) -> list[dict[str, Any]]:
    """Of each topic the records that are not worked on yet."""
    return [_topic(log, store, each) for each in WORKED_ON]


def _topic(log: EventLog, store: MessageStore, name: str) -> dict[str, Any]:
    progress = store.progress(name)
    waiting = sum(max(0, end - max(first, undone(progress, each))) for each, (first, end) in log.ends(name).items())
    return {"topic": name, "waiting": waiting}


def channel_figures(store: MessageStore) -> list[dict[str, Any]]:
    """Of each channel its lanes, and what waits."""
    states = {lane: state for lane, state in store.lanes().items() if lane.channel != WEBHOOKS}
    waits = store.waiting_counts(list(states)) if states else {}
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"lanes": 0, "working": 0, "retries": 0})
    for lane, state in states.items():
        row = found[lane.channel]
        row["lanes"] += 1
        row["working"] += _has_work(state)
        row["retries"] += waits.get(lane, 0)
    return [{"channel": name, **row} for name, row in sorted(found.items())]


def _has_work(state: LaneState) -> bool:
    """Deliveries are there that nobody has looked at yet."""
    return state.fanned > state.cursor


def disk(settings: Settings) -> dict[str, int] | None:
    """Of the data folder, where something is kept in it."""
    folder = Path(settings.data)
    if not (settings.is_embedded and folder.is_dir()):
        return None
    usage = shutil.disk_usage(folder)
    return {"free_bytes": usage.free, "size_bytes": usage.total}
