"""What the event log costs: `python -m ops.bench.event_log` on the log of the settings, in a folder that may be thrown away.

Prints records a second and CPU per record for writing and reading in batches of 50, the time from append to poll, and the
CPU of a group member with nothing to do. Records have 300 bytes and two headers.
"""

import resource
import threading
import time
from collections.abc import Callable
from contextlib import closing
from statistics import quantiles
from uuid import uuid4

from chat4all.model.records import NewRecord
from chat4all.ports import EventLog
from chat4all.settings import load
from storage.open import open_log

PARTITIONS = 4
AT_ONCE = 50
SECONDS = 4.0
QUIET_S = 13.0
HEADERS = {"recipients": "1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(name: str, work: Callable[[], int]) -> None:
    """Print what the work cost; it answers how many records it handled."""
    cpu, start = cpu_s(), time.monotonic()
    count = work()
    spent = time.monotonic() - start
    print(f"{name}: {count / spent:,.0f} records/s, {(cpu_s() - cpu) / count * 1e6:.1f} us of CPU each")


def write(log: EventLog, topic: str, threads: int) -> int:
    """Append for some seconds from so many threads."""
    counts = [0] * threads
    end = time.monotonic() + SECONDS

    def run(thread: int) -> None:
        while time.monotonic() < end:
            new = [NewRecord(topic, number % PARTITIONS, f"key-{number}", bytes(300), HEADERS) for number in range(AT_ONCE)]
            counts[thread] += len(log.append(new, 10.0))

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(counts)


def read(log: EventLog, topic: str) -> int:
    """Follow the topic from its beginning to its end."""
    ends = log.ends(topic)
    count = 0
    with closing(log.follow(topic, {partition: first for partition, (first, _) in ends.items()})) as follower:
        while count < sum(upcoming - first for first, upcoming in ends.values()):
            count += len(follower.poll(AT_ONCE, 1.0))
    return count


def wait(log: EventLog, topic: str) -> None:
    """Print the time from append to poll, one record at a time, 50 a second; then what an idle member costs."""
    ends = {partition: upcoming for partition, (_, upcoming) in log.ends(topic).items()}
    times: list[float] = []

    def trickle() -> None:
        for number in range(200):
            log.append([NewRecord(topic, number % PARTITIONS, "k", repr(time.monotonic()).encode())], 10.0)
            time.sleep(0.02)

    with closing(log.consume(topic, "bench", lambda mine: {each: ends[each] for each in mine}, lambda _: None)) as consumer:
        while consumer.poll(AT_ONCE, 0.5):
            pass
        sender = threading.Thread(target=trickle)
        sender.start()
        while len(times) < 200:
            times += [time.monotonic() - float(each.value) for each in consumer.poll(AT_ONCE, 1.0)]
        sender.join()
        cuts = quantiles(times, n=100)
        print(f"append to poll: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms")
        consumer.poll(AT_ONCE, QUIET_S)
        cpu = cpu_s()
        consumer.poll(AT_ONCE, SECONDS)
        print(f"idle member: {(cpu_s() - cpu) / SECONDS:.2%} of a core")


def main() -> None:
    """Run all of it on a topic of its own."""
    with closing(open_log(load())) as log:
        topic = f"bench-{uuid4().hex[:8]}"
        log.create({topic: PARTITIONS})
        measured("write, 1 thread", lambda: write(log, topic, 1))
        measured("write, 8 threads", lambda: write(log, topic, 8))
        measured("read", lambda: read(log, topic))
        wait(log, topic)


if __name__ == "__main__":
    main()
