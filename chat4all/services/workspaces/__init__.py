"""Workspaces: the store, the log and the search index as one workspace sees them. Imports ports and model only."""
