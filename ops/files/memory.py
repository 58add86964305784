"""How much memory the processes of a running system use while something happens."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping

import psutil
from msgspec import Struct

EVERY_S = 0.3
MIB = 1 << 20

Pids = Callable[[], Mapping[str, int]]


class Use(Struct):
    """Resident MiB of a process with its children: before any upload, after a first file, and at most since then."""

    before: float
    warm: float
    most: float

    def rounded(self) -> "Use":
        """For people."""
        return Use(round(self.before, 1), round(self.warm, 1), round(self.most, 1))


def resident(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident MiB of these processes, each with its children; those that are gone are left out."""
    sizes, children = dict[int, float](), defaultdict[int, list[int]](list)
    # One look at the process table for all of them.
    for each in psutil.process_iter(["pid", "ppid", "memory_info"]):
        if each.info["memory_info"] is not None:
            sizes[each.info["pid"]] = each.info["memory_info"].rss / MIB
            children[each.info["ppid"]].append(each.info["pid"])

    def family(pid: int) -> float:
        return sizes[pid] + sum(family(child) for child in children[pid])

    return {name: family(pid) for name, pid in pids.items() if pid in sizes}


class Memory:
    """Samples until the block ends: `most` per process, in MiB, whichever process had the name at the time."""

    def __init__(self, pids: Pids) -> None:
        self._pids = pids
        self.most: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(EVERY_S):
            for name, size in resident(self._pids()).items():
                self.most[name] = max(self.most.get(name, 0.0), size)
