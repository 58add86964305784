"""What holds for every test."""

import faulthandler

EXIT_S = 30
STDERR = 2


def pytest_unconfigure() -> None:
    """A thread that a test left behind keeps the run from ending: it fails then, and says where the thread is."""
    faulthandler.dump_traceback_later(EXIT_S, exit=True, file=STDERR)
