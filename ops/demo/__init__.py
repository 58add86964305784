"""Stories told by the running system, for people to watch."""
