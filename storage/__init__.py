"""Adapters of the ports: event log, message store, object store. Imports `chat4all` only; `open` is the table."""
