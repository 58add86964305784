"""Processes between the log and the outside: bridge, stream server, poller, files. Imports `tasks`, `storage`, `chat4all`."""
