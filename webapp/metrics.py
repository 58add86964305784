"""Metrics of the gateway at /metrics, over all of its processes."""

import os
from typing import Any

from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics
from prometheus_flask_exporter.multiprocess import GunicornInternalPrometheusMetrics

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 12.0)


def init(app: Flask) -> None:
    """Count and time requests, by route, so that ids in paths make no new series."""
    common: dict[str, Any] = {"path": "/metrics", "group_by": "url_rule", "buckets": BUCKETS, "excluded_paths": ["/metrics"]}
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        GunicornInternalPrometheusMetrics(app, **common)
    else:
        PrometheusMetrics(app, registry=CollectorRegistry(), **common)
