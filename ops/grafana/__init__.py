"""Grafana's dashboards, made from code: `python -m ops.grafana` writes dashboards/*.json, which Grafana is provisioned with."""

import warnings
from importlib import import_module

# Grafana is provisioned with files in the classic form; at its import the library says that it would rather make the new one.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    for name in ("dashboard", "prometheus", "stat", "timeseries"):
        import_module(f"grafana_foundation_sdk.builders.{name}")
