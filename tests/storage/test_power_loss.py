"""The loss of power, as far as files show it: of what was not synced, the end is gone."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chat4all.model.records import INCOMING, BatchRef, Range
from chat4all.ports.progress import undone
from storage.message_store.sqlite_connection import Connections
from tests.tasks.world import World, message, new_id, whatsapp, world

CONVERSATIONS = [new_id("conversation", number) for number in range(3)]
LOG_HEADER, FRAME_HEADER = 32, 24


def synchronous(db: Any) -> int:
    return int(db.execute("PRAGMA synchronous").fetchone()[0])


def test_each_write_syncs_or_not_as_it_was_asked_to(tmp_path: Path) -> None:
    """2 is FULL and 1 NORMAL, in whatever order they come, and after the connection was made anew."""
    connections = Connections(tmp_path / "file.sqlite")
    connections.use_wal()
    for syncs in (True, False, False, True, False, True):
        with connections.write(syncs) as db:
            assert synchronous(db) == (2 if syncs else 1)
    with connections.write(syncs=False):
        pass
    connections.before_fork()
    connections.after_fork_in_parent()
    with connections.write() as db:
        assert synchronous(db) == 2
    connections.close()


def kept(road: World) -> tuple[Any, ...]:
    """What the stages have made of the log."""
    lanes = {lane: state.fanned for lane, state in road.store.lanes().items()}
    messages = [road.store.page(each, None, None, 100) for each in CONVERSATIONS]
    ids = [(each.conversation_id, each.message_id) for some in messages for each in some]
    done = {partition: each.done for partition, each in road.store.progress(INCOMING).items()}
    return road.rows(), messages, road.store.registered(ids), lanes, done


def cuts(log: Path, before: int) -> Iterator[int]:
    """Where the write-ahead log may end when all that was written after `before` was not synced."""
    frame = FRAME_HEADER + int.from_bytes(log.read_bytes()[8:12], "big")
    assert (before - LOG_HEADER) % frame == 0
    yield from range(before, log.stat().st_size + 1, frame)


def test_what_the_stages_did_not_sync_is_made_again_from_the_log(tmp_path: Path) -> None:
    """Wherever the power takes the end of the store, the bridge's next batch makes the same rows, and leaves none out."""
    with world(tmp_path / "there", partitions=2) as road:
        road.know(*map(whatsapp, range(3)))
        first = [message(CONVERSATIONS[n], n, to=[whatsapp(n)]) for n in range(3)]
        road.say(*first)
        road.run()
        [log] = (tmp_path / "there").glob("*-wal")
        before = log.stat().st_size
        road.say(*[message(CONVERSATIONS[n % 3], 10 + n, to=[whatsapp(n % 3)]) for n in range(6)], first[0])
        road.run()
        expected = kept(road)
        # By another process: closing a copy's handle here would drop SQLite's locks.
        subprocess.run(["cp", "-r", tmp_path / "there", tmp_path / "copy"], check=True)
    (tmp_path / "copy" / log.name.replace("-wal", "-shm")).unlink()
    found = list(cuts(tmp_path / "copy" / log.name, before))
    assert len(found) > 5
    went_on = 0
    for cut in found:
        shutil.copytree(tmp_path / "copy", tmp_path / str(cut))
        with (tmp_path / str(cut) / log.name).open("r+b") as handle:
            handle.truncate(cut)
        with world(tmp_path / str(cut), partitions=2) as road:
            progress = road.store.progress(INCOMING)
            spans = [Range(each, undone(progress, each), end - 1) for each, (_, end) in road.log.ends(INCOMING).items()]
            left = tuple(span for span in spans if span.size > 0)
            went_on += bool(left)
            if left:
                road.run(ref=BatchRef(INCOMING, left))
            assert kept(road) == expected
    assert went_on == len(found) - 1
