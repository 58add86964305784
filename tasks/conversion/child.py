"""What runs in a process of its own: it makes one rendition of one file, within limits that the kernel keeps.

`python -m tasks.conversion.child '<Order as JSON>'`, in a private folder; what came of it is told as JSON (`Result`).
Only here are the libraries imported that decode what strangers sent.
"""

import os
import resource
import signal
import sys

import msgspec

from chat4all.model.failures import Permanent
from chat4all.model.media_forms import FILM
from tasks.conversion.orders import MEMORY, Order, Result

OPEN_FILES = 32
# Lanes and stages go first; and where memory runs out, this is what the kernel ends.
NICE, OOM_SCORE = 15, "1000"


def main() -> None:
    """Do what the first argument says, and tell what came of it."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    _confine(order)
    try:
        result = _made(order)
    except MemoryError:
        result = Result(reason=MEMORY)
    except Permanent as failure:
        result = Result(reason=failure.reason, detail=failure.detail)
    sys.stdout.buffer.write(msgspec.json.encode(result))


def _confine(order: Order) -> None:
    """Take away from this process what it does not need."""
    os.umask(0o077)
    os.nice(NICE)
    _give_way_in_memory()
    # Whoever began it may be gone by then.
    signal.alarm(order.clock_s)
    # The first of the two limits ends it by a signal that says why, the second by one that says nothing.
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_s, order.cpu_s + 1))
    limits = {
        resource.RLIMIT_AS: order.memory,
        resource.RLIMIT_FSIZE: order.file_most,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))


def _give_way_in_memory() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 - no file of ours
            score.write(OOM_SCORE)
    except OSError:
        # There is none beside Linux; it is a wish to the kernel, and no limit.
        return


def _made(order: Order) -> Result:
    if order.mime_type.startswith("image/"):
        from tasks.conversion import pictures  # noqa: PLC0415 - only what is needed is imported

        return pictures.make(order)
    if order.form == FILM.name:
        from tasks.conversion import films  # noqa: PLC0415

        return films.make(order)
    from tasks.conversion import sounds  # noqa: PLC0415

    return sounds.make(order)


if __name__ == "__main__":
    main()
