"""The event log in SQLite, and in Kafka."""
