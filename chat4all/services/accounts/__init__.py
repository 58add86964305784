"""Accounts at providers: connected, changed, paused and removed while everything runs."""
