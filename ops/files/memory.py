"""How much memory the processes of a running system use while something happens."""

import threading
from collections.abc import Callable, Mapping

import psutil

EVERY_S = 0.2
MIB = 1 << 20

Pids = Callable[[], Mapping[str, int]]


def resident(pid: int) -> int:
    """Resident bytes of a process with its children; 0 when it is gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for each in family:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


class Memory:
    """Samples until the block ends: `first` and `most` per process, in bytes. A process that is started again counts anew.

    After a restart the first samples are of a process that still loads, so only whole sizes are compared: `most` with `first`,
    which is taken of the warm process before.
    """

    def __init__(self, pids: Pids) -> None:
        self._pids = pids
        self.first: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> "Memory":
        self.first = {name: resident(pid) for name, pid in self._pids().items() if pid}
        self.most = dict(self.first)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(EVERY_S):
            for name, pid in self._pids().items():
                if pid:
                    self.most[name] = max(self.most.get(name, 0), resident(pid))

    def growth_mib(self) -> dict[str, float]:
        """By how much each process grew at most, in MiB."""
        return {name: round((self.most[name] - self.first[name]) / MIB, 1) for name in self.first}
