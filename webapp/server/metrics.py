"""Metrics of the gateway at /metrics, over all of its processes.

Gunicorn's processes count into files of a folder, each into its own; whoever is asked adds them up. What a process that ended
had counted is added to one file for all who are gone. A lock keeps a scrape from seeing that half done.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_flask_exporter import PrometheusMetrics

from chat4all.telemetry import instruments, metrics
from chat4all.telemetry.exporter import read_process
from chat4all.telemetry.instruments import REGISTRY, Histogram, Readings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
KINDS = ("counter", "histogram")
GONE = "gone"


def init(app: Flask) -> None:
    """Count and time requests, by route, so that ids in paths make no new series; show everything."""
    if not instruments.ON:
        return
    own = CollectorRegistry()
    PrometheusMetrics(app, path=None, group_by="url_rule", buckets=metrics.ANSWERS, excluded_paths=["/metrics"], registry=own)
    folder = os.environ.get(FOLDER, "")
    read_process(os.getppid() if folder else os.getpid())
    instruments.begin()
    app.add_url_rule("/metrics", "metrics", lambda: _answer(Path(folder) if folder else None, own))


def _answer(folder: Path | None, own: CollectorRegistry) -> Response:
    Histogram.flush()
    shown = CollectorRegistry()
    shown.register(Readings(metrics.READ_FAILURES))
    text = generate_latest(shown)
    if folder is None:
        text += generate_latest(REGISTRY) + generate_latest(own)
    else:
        with locked(folder, fcntl.LOCK_SH):
            text += generate_latest(_summed(folder))
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def _summed(folder: Path) -> CollectorRegistry:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry


@contextmanager
def locked(folder: Path, how: int) -> Iterator[None]:
    """Hold the folder's lock: LOCK_SH to read, LOCK_EX to move figures from one file to another."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, how)
        yield


def bury(folder: Path, pid: int) -> None:
    """A process has ended: keep what it counted, in one file for all who have."""
    with locked(folder, fcntl.LOCK_EX):
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        for kind in KINDS:
            left, gone = folder / f"{kind}_{pid}.db", folder / f"{kind}_{GONE}.db"
            if left.exists():
                _merge([each for each in (left, gone) if each.exists()], gone)
                left.unlink()


def _merge(files: list[Path], into: Path) -> None:
    families: Any = MultiProcessCollector.merge([str(each) for each in files], accumulate=False)  # type: ignore[no-untyped-call]
    draft = into.with_name(f"draft_{GONE}")
    draft.unlink(missing_ok=True)
    kept = MmapedDict(str(draft))  # type: ignore[no-untyped-call]
    for family in families:
        for sample in family.samples:
            labels = sample.labels
            key = mmap_key(family.name, sample.name, list(labels), list(labels.values()), family.documentation)
            kept.write_value(key, sample.value, 0.0)  # type: ignore[no-untyped-call]
    kept.close()  # type: ignore[no-untyped-call]
    draft.replace(into)
