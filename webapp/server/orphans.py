"""A gateway process whose gunicorn master is gone ends too: it would hold the port, and the next gateway could not begin."""

import os
import threading
import time

LOOK_EVERY_S = 0.25


def end_without(master: int) -> None:
    """From now on this process lives no longer than its parent, `master`, whatever its other threads stand in.

    Gunicorn's own look at the parent is taken by the poller, so not before the gateway is loaded. And a worker that has seen it
    serves those who go on asking, and listens, for the whole grace. What this cuts off is what a kill of the process cuts off.
    """
    threading.Thread(target=_watch, args=(master,), name="master", daemon=True).start()


def _watch(master: int) -> None:
    while os.getppid() == master:
        time.sleep(LOOK_EVERY_S)
    # Nothing is said: whoever read what gateways say has closed that pipe, or is gone as well.
    os._exit(1)
