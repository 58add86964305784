"""Fixtures of the contract suites."""

from tests.contracts.logs import log, log_adapter, log_settings, other_log, start, topic
from tests.contracts.stores import other, store, store_settings

__all__ = ["log", "log_adapter", "log_settings", "other", "other_log", "start", "store", "store_settings", "topic"]
