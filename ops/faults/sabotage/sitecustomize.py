"""On the PYTHONPATH of one run: a pipeline worker that meets the marked words dies of them, as of a bug in C code."""

import os
import signal
import sys

MARK = "this kills the process"

if "worker" in sys.orig_argv and any(each.startswith("pipeline@") for each in sys.orig_argv):
    from celery import signals

    @signals.worker_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def _sabotage(**_: object) -> None:
        from tasks.stages import persist  # noqa: PLC0415  (only when everything is set up)

        kept = persist.registrations

        def registrations(messages):  # type: ignore[no-untyped-def]
            if any(MARK in each.payload.as_text() for each in messages):
                os.kill(os.getpid(), signal.SIGKILL)
            return kept(messages)

        persist.registrations = registrations
