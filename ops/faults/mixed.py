"""The random mix, done: the steps of a plan, each at its time, to a system under load; and what is to be asked afterwards."""

import heapq
import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import psutil
import requests
from msgspec import Struct

from chat4all.cli.parts import parts_of
from chat4all.root import ROOT
from ops.faults.carrying import Carrier
from ops.faults.course import Course
from ops.faults.history import Resumed, Told
from ops.faults.plan import Step, plan
from ops.faults.providers import strangers
from ops.harness.readers import Reader
from ops.harness.waiting import wait_until

SECONDS = 300.0
PHONES_S = 30.0
REPLAY_S = 90.0
BACK_S = 20.0
# Readers who came back with an old cursor stay to the end, and each costs a stream.
MOST_BACK = 6
# This message is refused for good, and not its person: else the next one would be refused before it is accepted.
REFUSED = {"whatsapp": (400, 131026), "instagram": (400, 551), "messenger": (400, 551), "telegram": (400, 400)}
# What Telegram says beside; by the code alone the chat would not be there.
WORDS = {("telegram", 400): "Bad Request: message is too long"}
BROKEN = {"whatsapp": (500, 131000), "instagram": (500, 2), "messenger": (500, 2), "telegram": (502, 502)}
LIMITED = {"whatsapp": (429, 130429), "instagram": (429, 613), "messenger": (429, 613), "telegram": (429, 429)}
HANG_MS = 12_000


def mixed(run: Course) -> None:
    """All kinds of harm at once, for SECONDS seconds; then the dead letters once more, and all of it is asked for."""
    seconds = float(os.environ.get("SECONDS", SECONDS))
    parts = [each.name for each in parts_of(run.system.settings)]
    mix = Mix(run)
    mix.go(plan(run.seed, seconds, parts), seconds)
    mix.end()


class _Due(Struct, order=True):
    """Something to be done at its time; what it gives back is when and how to undo it."""

    at: float
    number: int
    act: Callable[[], "tuple[float, Callable[[], None]] | None"]


class Mix:
    """One course of it."""

    def __init__(self, run: Course) -> None:
        self.run = run
        self._done: Counter[str] = Counter()
        self._replays: list[subprocess.Popen[bytes]] = []
        self._back: list[tuple[Reader, Reader, int]] = []
        self.carrier = Carrier(run)

    def go(self, steps: tuple[Step, ...], seconds: float) -> None:
        """Do the steps, each at its time or as soon as the one before is over."""
        began, order = time.monotonic(), itertools.count()
        waiting = [_Due(step.at, next(order), partial(self._begin, step)) for step in steps]
        heapq.heapify(waiting)
        while waiting:
            due = heapq.heappop(waiting)
            self.run.go(max(0.0, began + due.at - time.monotonic()))
            undo = due.act()
            if undo is not None:
                heapq.heappush(waiting, _Due(undo[0], next(order), undo[1]))
        self.run.go(max(0.0, began + seconds - time.monotonic()))
        self.run.hit()
        self.run.figures |= {"steps": len(steps)} | {f"did_{name}": count for name, count in sorted(self._done.items())}

    def _begin(self, step: Step) -> tuple[float, Callable[[], None]] | None:
        """Do it; when and how it is undone."""
        self.run.hit()
        try:
            undo = ACTS[step.act](self, step)
            self._done[step.act] += 1
        except (ProcessLookupError, psutil.NoSuchProcess):
            # It had died a moment before.
            self._done["missed"] += 1
            return None
        return None if undo is None else (step.ends, partial(self._undo, undo))

    def _undo(self, undo: Callable[[], Any]) -> None:
        self.run.hit()
        try:
            undo()
        except (ProcessLookupError, psutil.NoSuchProcess):
            self._done["missed"] += 1

    def kill(self, step: Step) -> None:
        """A process, or one of the gateway's."""
        pid = self.run.system.pid(step.target)
        children = psutil.Process(pid).children() if pid and step.target == "gateway" else []
        if children and int(step.at * 100) % 2:
            os.kill(children[0].pid, signal.SIGKILL)
        else:
            self.run.system.kill9(step.target)
        self.run.kills += 1

    def freeze(self, step: Step) -> Callable[[], Any]:
        """It stands still, and so do its children; whoever takes its place meanwhile does not."""
        pid = self.run.system.pid(step.target)
        if not pid:
            raise ProcessLookupError(f"{step.target} has no process")
        root = psutil.Process(pid)
        frozen = [root, *root.children(recursive=True)]
        for each in frozen:
            each.suspend()
        self.run.kills += 1
        return partial(_resume, frozen)

    def broker(self, harm: Callable[[], None]) -> None:
        """What the broker has is gone; a broker that is dead at this moment has nothing."""
        try:
            harm()
        except Exception as error:  # noqa: BLE001  (each broker's client has errors of its own)
            self.run.figures["broker_was_away"] = type(error).__name__

    def behave(self, step: Step, codes: Mapping[str, tuple[int, int]], retry_after: float | None = None) -> Callable[[], None]:
        """Some calls to a channel are answered with these."""
        status, code = codes[step.target]
        rule = {"status": status, "code": code, "rate": step.share, "words": WORDS.get((step.target, code), "")}
        return self.behaves(step.target, rules=[rule | ({"retry_after": retry_after} if retry_after else {})])

    def receipts(self, step: Step) -> Callable[[], None]:
        """Late, twice, in any order, and some before the answer that they are about."""
        late = {"sent_after_ms": 500, "delivered_after_ms": 2500, "read_after_ms": 4000}
        odd = {"duplicate": step.share, "shuffle": True, "before_response": step.share / 2}
        return self.behaves(step.target, receipts=late | odd)

    def behaves(self, channel: str, **behaviour: Any) -> Callable[[], None]:
        """A channel's provider is like this until it is undone."""
        self._say(channel, behaviour)
        return partial(self._say, channel, {})

    def _say(self, channel: str, behaviour: dict[str, Any]) -> None:
        """To the simulator, which may be dead or frozen itself at this moment."""
        try:
            self.run.system.phones.behave(channel, **behaviour)
        except requests.RequestException:
            self._done["unheard"] += 1

    def join(self, step: Step) -> Callable[[], None]:
        """A second process; it leaves as asked to, or is killed."""
        ports = dict(zip(("CHAT4ALL_STREAM_PORT", "CHAT4ALL_EVENTS_PORT"), map(str, self.run.stack.second_ports), strict=True))
        env = ports if step.target == "stream" else {}
        process = self.run.stack.spawn(step.target, f"{step.target}-second", env)
        if int(step.at * 100) % 2:
            return process.kill
        return partial(self.run.stack.end, process)

    def replay(self) -> None:
        """Send again what failed for good, while all this goes on."""
        self._replays.append(self._replaying())

    def _replaying(self) -> "subprocess.Popen[bytes]":
        with (self.run.system.settings.data / "logs" / "replay.log").open("ab") as log:
            command = [sys.executable, "-m", "celery", "-A", "tasks.app", "replay", "dead-letters", "--wait", "0"]
            return subprocess.Popen(command, cwd=ROOT, env=self.run.system.env, stdout=log, stderr=log)

    def _replayed(self) -> bool:
        return self._replaying().wait(REPLAY_S) == 0

    def come_back(self, step: Step) -> None:
        """Somebody with a cursor of some time ago, beside the same person's own stream."""
        readers = self.run.readers.each
        reader = readers[int(step.target) % len(readers)]
        marks = list(reader.marks)
        if not marks or len(self._back) >= MOST_BACK:
            self._done["stayed_away"] += 1
            return
        mark = marks[int(step.at * 1000) % len(marks)]
        token, target = self.run.crowd.tokens[reader.user], self.run.stack.stream_targets
        back = Reader(reader.user, token, target, acknowledges=False, cursor=mark.cursor)
        back.start()
        self._back.append((back, reader, mark.seen))

    def restart(self) -> None:
        """Everything is stopped as by Ctrl-C, and started again on the same data."""
        self.run.system.stop()
        self.run.system.start()
        self.run.system.wait_ready()

    def end(self) -> None:
        """After the harm: what failed is sent again, and what was sent is asked for once all has settled."""
        for channel in REFUSED:
            wait_until(f"{channel} behaves again", partial(self._heard, channel), PHONES_S, 0.5)
        wait_until("what had failed is sent again", self._replayed, REPLAY_S, 1.0)
        self.run.figures["replays_that_failed"] = sum(each.wait(REPLAY_S) != 0 for each in self._replays)
        self.carrier.end()
        self.run.later.append(self._close)

    def _heard(self, channel: str) -> bool:
        try:
            self.run.system.phones.behave(channel)
        except requests.RequestException:
            return False
        return True

    def _close(self) -> None:
        """Once all has settled: those who came back, and the files."""
        for back, reader, seen in self._back:
            owed = list(dict.fromkeys(each.message_id for each in reader.seen[seen:]))
            name = f"{reader.user} again"
            came = partial(_has_come, back, owed)
            try:
                wait_until(f"{name} has been told", came, BACK_S, 0.5)
            except TimeoutError:
                self._done["still_owed"] += 1
            told = [
                Told(name, each.message_id, each.recipient, each.channel, each.state, each.delivery) for each in back.states
            ]
            self.run.outcome.resumed.append(Resumed(name, owed, [each.message_id for each in back.seen], told))
            back.stop()
        self.run.outcome.files += self.carrier.carried()
        self.run.figures |= {"came_back": len(self._back), "files": len(self.run.outcome.files)}
        self.run.figures["dead_letters"] = len(self.run.outcome.letters())
        failed = [each for each in self.run.outcome.ended() if each.state == "FAILED"]
        if failed:
            self.run.wrong.append(f"{len(failed)} deliveries FAILED, though they were sent again, such as {failed[:3]}")


def _has_come(back: Reader, owed: list[str]) -> bool:
    return {each.message_id for each in tuple(back.seen)} >= set(owed)


def _resume(frozen: list[psutil.Process]) -> None:
    for each in frozen:
        if each.is_running():
            each.resume()


# How each kind of harm of a plan is done; what it gives back undoes it.
ACTS: dict[str, Callable[[Mix, Step], Callable[[], Any] | None]] = {
    "kill": Mix.kill,
    "freeze": Mix.freeze,
    "wipe": lambda mix, _: mix.broker(mix.run.stack.wipe_broker),
    "queues": lambda mix, _: mix.broker(mix.run.stack.delete_queues),
    "errors": lambda mix, step: mix.behave(step, BROKEN),
    "limits": lambda mix, step: mix.behave(step, LIMITED, retry_after=1),
    "refusals": lambda mix, step: mix.behave(step, REFUSED),
    "hang": lambda mix, step: mix.behaves(step.target, delay_ms=HANG_MS),
    "lost-answers": lambda mix, step: mix.behaves(step.target, drop_response_rate=step.share),
    "receipts": Mix.receipts,
    "strangers": lambda mix, _: strangers(mix.run, 1),
    "join": Mix.join,
    "upload": lambda mix, step: mix.carrier.send(int(step.at * 1000)),
    "replay": lambda mix, _: mix.replay(),
    "old-cursor": Mix.come_back,
    "restart": lambda mix, _: mix.restart(),
}
