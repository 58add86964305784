"""The states of files, and fetching one by HTTP. Imports no other service."""
