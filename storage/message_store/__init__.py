"""The message store in SQLite, and in Cassandra or ScyllaDB."""
