"""Celery's settings. Celery carries references to batches, and wake-ups; nothing in the broker has to survive.

docs/decisions/celery.md says why each is as it is.
"""

from chat4all.settings import load

_settings = load()

broker_url = _settings.broker_url
broker_use_ssl = _settings.broker_tls
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_connection_timeout = 4
broker_pool_limit = 10
broker_transport_options = (
    {"ack_emulation": False, "socket_timeout": 5, "socket_connect_timeout": 4, "socket_keepalive": True}
    if broker_url.startswith("redis")
    else {"read_timeout": 10, "write_timeout": 10}
)

# No results, no chords: what a stage did is in the store.
result_backend = None
task_ignore_result = True
task_store_errors_even_if_ignored = False

# References only, readable by anybody.
task_serializer = "json"
accept_content = ["json"]
event_serializer = "json"

# A killed worker's task comes back; running it twice is harmless by design.
task_acks_late = True
worker_prefetch_multiplier = 2
worker_enable_prefetch_count_reduction = False
worker_cancel_long_running_tasks_on_connection_loss = False
worker_hijack_root_logger = False
worker_consumer = "tasks.consumer:Consumer"

# The bridge hands a batch out again; waiting long for the broker would only hide that it is gone.
task_publish_retry = True
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}

task_default_queue = "pipeline"
task_create_missing_queues = True
beat_scheduler = "tasks.beat:IntervalScheduler"
beat_schedule = {
    "sweep": {"task": "sweep", "schedule": _settings.sweep_s, "options": {"expires": 10}},
    "tidy": {"task": "tidy", "schedule": 60.0, "options": {"expires": 60}},
    "sweep_files": {"task": "sweep_files", "schedule": 5.0, "options": {"expires": 10}},
}
