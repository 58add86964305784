"""Logins, tokens, credentials and rate limits: who may do what, and how often. Imports `directory` too."""
