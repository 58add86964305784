"""On the PYTHONPATH of one process: all Python in it reads a clock that is ahead by AHEAD_S seconds."""

import os
import time

_ahead_s = int(os.environ["AHEAD_S"])
_true_time, _true_time_ns = time.time, time.time_ns


def _time() -> float:
    return _true_time() + _ahead_s


def _time_ns() -> int:
    return _true_time_ns() + _ahead_s * 10**9


time.time = _time
time.time_ns = _time_ns
