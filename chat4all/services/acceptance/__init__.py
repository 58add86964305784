"""Checking a draft and freezing it into a record. Imports `directory` too."""
