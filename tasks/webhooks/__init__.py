"""Telling endpoints of events: who holds a partition of chat-events, in what order its events go out, one call."""
