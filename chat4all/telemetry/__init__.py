"""Logs, traces and metrics of a process. Imports `settings`, `redaction` and `model` only."""
