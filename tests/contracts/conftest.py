"""Fixtures of the contract suites."""

from tests.contracts.stores import other, store, store_settings

__all__ = ["other", "store", "store_settings"]
