"""What holds for every test."""

import faulthandler

from hypothesis import HealthCheck, settings

EXIT_S = 30
STDERR = 2

# How long an example takes depends on what else the machine does: pytest's own time limit is the only one.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_unconfigure() -> None:
    """A thread that a test left behind keeps the run from ending: it fails then, and says where the thread is."""
    faulthandler.dump_traceback_later(EXIT_S, exit=True, file=STDERR)
