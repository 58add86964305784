"""Fixtures of the contract suites."""

from tests.contracts.cassandra_server import cassandra_server
from tests.contracts.kafka_server import kafka_server
from tests.contracts.logs import log, log_adapter, log_settings, other_log, start, topic
from tests.contracts.objects import minio_server, objects, objects_adapter, objects_settings
from tests.contracts.searches import index, index_settings
from tests.contracts.stores import other, store, store_settings

__all__ = [
    "cassandra_server",
    "index",
    "index_settings",
    "kafka_server",
    "log",
    "log_adapter",
    "log_settings",
    "minio_server",
    "objects",
    "objects_adapter",
    "objects_settings",
    "other",
    "other_log",
    "start",
    "store",
    "store_settings",
    "topic",
]
