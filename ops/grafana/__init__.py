"""Grafana's dashboards, made from code: `python -m ops.grafana` writes dashboards/*.json, which Grafana is provisioned with."""
