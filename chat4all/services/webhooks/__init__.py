"""Outgoing webhooks: endpoints of a team's own backend, their secrets, and how what they are told is signed."""
