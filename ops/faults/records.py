"""Records that are repeated, read again from the start, or that nobody can process."""

import threading
import time
from uuid import uuid4

import msgspec

from chat4all.model.content import Text
from chat4all.model.failures import Failure
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import (
    INCOMING,
    STATUS,
    NewRecord,
    ProviderReceipt,
    Record,
    incoming_record,
    partition_of,
    status_record,
)
from ops.faults.course import Course
from ops.faults.sabotage.sitecustomize import MARK
from ops.faults.stack import Stack
from storage.open import open_log

WARM_S = 5.0
APPEND_S = 10.0
LARGE = 10 << 20
COPY = "copy"
POLL_S = 0.2


def doubled(run: Course) -> None:
    """Every record of messages and of receipts is appended a second time."""
    ending = threading.Event()
    counts: dict[str, int] = {}
    copiers = [threading.Thread(target=_copy, args=(run.stack, topic, ending, counts)) for topic in (INCOMING, STATUS)]
    for each in copiers:
        each.start()
    run.go(20.0)
    ending.set()
    for each in copiers:
        each.join(20)
    run.figures |= {f"copies_of_{topic}": count for topic, count in counts.items()}
    if len(counts) < len(copiers) or not all(counts.values()):
        run.wrong.append("nothing was copied")


def _copy(stack: Stack, topic: str, ending: threading.Event, counts: dict[str, int]) -> None:
    log, done = open_log(stack.system.settings), 0
    follower = log.follow(topic, {partition: end for partition, (_, end) in log.ends(topic).items()})
    while not ending.is_set():
        found = [each for each in follower.poll(500, POLL_S) if COPY not in each.headers]
        if found:
            log.append([_again(each) for each in found], APPEND_S)
            done += len(found)
            counts[topic] = done
    follower.close()
    log.close()


def _again(record: Record) -> NewRecord:
    return NewRecord(record.topic, record.partition, record.key, record.value, {**record.headers, COPY: "1"})


def offsets_reset(run: Course) -> None:
    """The bridge's committed offsets go back to the beginning, and the bridge starts again."""
    run.go(10.0)
    run.system.halt("bridge")
    run.stack.reset_offsets()
    run.system.go_on("bridge")
    run.hit()


def poison(run: Course) -> None:
    """Records that nobody can read, for a channel that nobody knows, of 10 MB, receipts for unknown ids; under load."""
    run.go(WARM_S)
    log, expected = open_log(run.system.settings), 5
    try:
        for each in _poison(run):
            try:
                log.append([each], APPEND_S)
            except Failure as refused:
                # A log may refuse what is too large by itself.
                run.figures["refused_by_the_log"] = refused.reason
                expected -= 1
            run.go(0.5)
    finally:
        log.close()
    run.hit()
    run.go(5.0)
    _expect_letters(run, expected)


def _poison(run: Course) -> list[NewRecord]:
    partitions = run.system.settings.partitions
    talk = run.crowd.cold[0]
    message = Message(str(uuid4()), talk.conversation_id, talk.writers[0], Text("to nowhere"), 1, int(time.time() * 1000))
    pigeon = Message(
        str(uuid4()), talk.conversation_id, talk.writers[0], Text("by pigeon"), 1, message.accepted_at,
        (Recipient(talk.writers[0], "pigeon", "roof"),),
    )  # fmt: skip
    key = talk.conversation_id
    where = partition_of(key, partitions)
    nobody = ProviderReceipt("whatsapp", "100000000000001", "wamid.nobody", "read", message.accepted_at)
    lying = msgspec.structs.replace(nobody, provider_id="wamid.liar", reference="whatsapp:0:99999999:0")
    return [
        NewRecord(INCOMING, where, key, b"\xff\x00 no JSON"),
        NewRecord(INCOMING, where, key, b'{"type":"message"}', {"recipients": "many"}),
        incoming_record(pigeon, partitions, {}),
        NewRecord(INCOMING, where, key, b"x" * LARGE),
        NewRecord(STATUS, 0, "x", b"[]"),
        status_record(nobody, partitions, {}),
        status_record(lying, partitions, {}),
    ]


def giant(run: Course) -> None:
    """A message of 10 MB that came past the gateway's limits: it can be read, and must not stop its readers."""
    run.go(WARM_S)
    talk = run.crowd.hot[1]
    message = Message(str(uuid4()), talk.conversation_id, talk.writers[0], Text("x" * LARGE), 1, int(time.time() * 1000))
    log = open_log(run.system.settings)
    try:
        log.append([incoming_record(message, run.system.settings.partitions, {})], APPEND_S)
    finally:
        log.close()
    run.hit()
    run.go(10.0)
    _expect_letters(run, 1)


def crasher(run: Course) -> None:
    """A record that kills the worker process whenever it is touched is found and set aside alone."""
    run.go(WARM_S)
    talk = run.crowd.cold[0]
    run.crowd.operator.send(
        {"conversation_id": talk.conversation_id, "from": talk.writers[0], "payload": {"type": "text", "text": MARK}}
    )
    began = time.monotonic()
    run.hit()
    while time.monotonic() - began < 120 and not _buried(run):
        run.go(1.0)
    run.figures["set_aside_after_s"] = round(time.monotonic() - began, 1)
    run.kills += _crashes(run)
    run.figures |= {"crashes": run.kills, "dead_letters": _buried(run)}
    if _buried(run) != 1:
        run.wrong.append(f"{_buried(run)} records were set aside instead of one")


def _crashes(run: Course) -> int:
    log = run.system.settings.data / "logs" / "supervisor.log"
    return log.read_text(errors="replace").count("worker-pipeline (terminated by SIGKILL")


def _buried(run: Course) -> int:
    return sum(each.reason == "killed_the_process" for each in run.outcome.letters())


def _expect_letters(run: Course, wanted: int) -> None:
    letters = run.outcome.letters()
    run.figures["dead_letters"] = len(letters)
    if len(letters) != wanted:
        run.wrong.append(f"{len(letters)} dead letters instead of {wanted}: {[each.reason for each in letters][:8]}")
