"""The real servers as plain processes: Kafka, Cassandra, RabbitMQ, MinIO and Redis, without containers.

`python -m ops.native install|start|stop|status|env` for people; the `Server` classes for tests that kill and freeze them.
"""
