"""Adapters of the search index."""
