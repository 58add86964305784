"""The four dashboards: the road at a glance, a channel, the workers, a node."""

from ops.grafana.panels import (
    BYTES,
    NUMBER,
    PER_SECOND,
    SECONDS,
    SHARE,
    Board,
    Chart,
    Figure,
    Row,
    largest,
    mean,
    quantile,
    rate,
)

LAG = "sum by (topic) (max by (topic, partition) (chat4all_lag_records))"
NODE_DISKS = 'fstype!~"tmpfs|overlay|squashfs|ramfs", instance="$node"'


def _quantiles(metric: str, by: str = "", where: str = "") -> list[tuple[str, str]]:
    """The usual two lines of a histogram."""
    legend = "".join(f"{{{{{name}}}}} " for name in by.split(", ") if name)
    return [(quantile(share, metric, by, where), f"{legend}p{share * 100:.0f}") for share in (0.5, 0.99)]


ROAD = Board(
    "chat4all-road",
    "Road at a glance",
    "Is the system well? What comes in, where it is, what goes out.",
    (
        Row(
            "Now",
            (
                Figure("Accepted", PER_SECOND, rate("chat4all_messages_accepted_total")),
                Figure("Time to accept, p99", SECONDS, quantile(0.99, "chat4all_accept_seconds"), 0.2),
                Figure("Records waiting", NUMBER, f"sum({LAG})", 1000),
                Figure("Oldest waits for", SECONDS, largest("chat4all_oldest_unfinished_seconds"), 60),
                Figure("Sent", PER_SECOND, rate("chat4all_deliveries_total", where='state="SENT"')),
                Figure("Streams", NUMBER, "sum(chat4all_streams_connected)"),
            ),
        ),
        Row(
            "In",
            (
                Chart("Accepted", PER_SECOND, [(rate("chat4all_messages_accepted_total", "job"), "{{job}}")]),
                Chart(
                    "Refused",
                    PER_SECOND,
                    [(rate("chat4all_requests_refused_total", "reason"), "{{reason}}")],
                    "unavailable, outcome_unknown: log or store. The others are the callers' own.",
                ),
                Chart("Time to accept", SECONDS, _quantiles("chat4all_accept_seconds"), "p99 is promised below 200 ms."),
            ),
        ),
        Row(
            "On the way",
            (
                Chart("Records waiting", NUMBER, [(LAG, "{{topic}}")], "Grows: more comes in than is done."),
                Chart(
                    "Oldest unfinished record", SECONDS, [(largest("chat4all_oldest_unfinished_seconds", "topic"), "{{topic}}")]
                ),
                Chart("Messages per chain", NUMBER, [(mean("chat4all_chain_records", "topic"), "{{topic}}")]),
                Chart("Stages", SECONDS, _quantiles("chat4all_stage_seconds", "stage"), "One run over a batch."),
                Chart("Calls of log and store, p99", SECONDS, [(quantile(0.99, "chat4all_call_seconds", "port"), "{{port}}")]),
                Chart("CPU", SHARE, [(rate("process_cpu_seconds_total", "job"), "{{job}}")], "1 is one core."),
            ),
        ),
        Row(
            "Out",
            (
                Chart("Deliveries", PER_SECOND, [(rate("chat4all_deliveries_total", "state"), "{{state}}")]),
                Chart("From accept to sent", SECONDS, _quantiles("chat4all_delivery_seconds", "channel", 'state="SENT"')),
                Chart(
                    "Dead letters", PER_SECOND, [(rate("chat4all_dead_letters_total", "stage, reason"), "{{stage}} {{reason}}")]
                ),
                Chart(
                    "Events to clients", PER_SECOND, [(rate("chat4all_stream_events_sent_total", "transport"), "{{transport}}")]
                ),
                Chart("From event to dispatch", SECONDS, _quantiles("chat4all_event_seconds")),
                Chart("Events behind", NUMBER, [(largest("chat4all_stream_lag_records", "instance"), "{{instance}}")]),
            ),
        ),
        Row(
            "To webhooks",
            (
                Chart("Calls", PER_SECOND, [(rate("chat4all_webhook_calls_total", "outcome"), "{{outcome}}")]),
                Chart("Duration of a call", SECONDS, _quantiles("chat4all_webhook_call_seconds")),
                Chart(
                    "Oldest untold event", SECONDS, [(largest("chat4all_webhook_oldest_seconds", "instance"), "{{instance}}")]
                ),
                Chart(
                    "Endpoints that wait",
                    NUMBER,
                    [
                        (largest("chat4all_webhook_endpoints_waiting", "instance"), "{{instance}}"),
                        (largest("chat4all_webhook_endpoints_sealed", "instance"), "{{instance}}, no key"),
                    ],
                    "Down, behind, or with conversations that are to be tried again.",
                ),
                Chart(
                    "Not told at all",
                    PER_SECOND,
                    [
                        (rate("chat4all_webhook_events_given_up_total"), "all tries refused"),
                        (rate("chat4all_webhook_events_lost_total"), "forgotten by the log"),
                    ],
                ),
            ),
        ),
    ),
)

CHANNEL = 'channel="$channel"'
A_CHANNEL = Board(
    "chat4all-channel",
    "A channel",
    "Does the provider take what we send, and how long does that take?",
    (
        Row(
            "Now",
            (
                Figure("Sent", PER_SECOND, rate("chat4all_deliveries_total", where=f'{CHANNEL}, state="SENT"')),
                Figure(
                    "Accept to sent, p90",
                    SECONDS,
                    quantile(0.9, "chat4all_delivery_seconds", where=f'{CHANNEL}, state="SENT"'),
                    60,
                ),
                Figure("Keys waiting", NUMBER, largest("chat4all_retries_waiting", where=CHANNEL)),
                Figure("Breaker open", NUMBER, largest("chat4all_breaker_open", where=CHANNEL), 1),
                Figure("Lanes held", NUMBER, f"sum(chat4all_lanes_held{{{CHANNEL}}})"),
                Figure("Lanes nobody holds", NUMBER, largest("chat4all_lanes_stuck", where=CHANNEL), 1),
            ),
        ),
        Row(
            "Calls to the provider",
            (
                Chart("By outcome", PER_SECOND, [(rate("chat4all_attempts_total", "outcome", CHANNEL), "{{outcome}}")]),
                Chart("Duration", SECONDS, _quantiles("chat4all_attempt_seconds", "", CHANNEL)),
                Chart("Under way", NUMBER, [(f"sum(chat4all_sends_in_flight{{{CHANNEL}}})", "calls")]),
                Chart("Put off", PER_SECOND, [(rate("chat4all_throttled_total", "by", CHANNEL), "by {{by}}")]),
                Chart(
                    "Unknown outcomes",
                    PER_SECOND,
                    [
                        (rate("chat4all_unknown_outcomes_total", "", CHANNEL), "unknown"),
                        (rate("chat4all_second_sends_total", "", CHANNEL), "second sends"),
                    ],
                    "A second send may have reached the person twice.",
                ),
                Chart("Breakers that opened", PER_SECOND, [(rate("chat4all_breaker_opened_total", "", CHANNEL), "opened")]),
            ),
        ),
        Row(
            "Deliveries",
            (
                Chart("By state", PER_SECOND, [(rate("chat4all_deliveries_total", "state", CHANNEL), "{{state}}")]),
                Chart(
                    "Since accept, p90", SECONDS, [(quantile(0.9, "chat4all_delivery_seconds", "state", CHANNEL), "{{state}}")]
                ),
                Chart(
                    "In memory", NUMBER, [(f"sum by (instance) (chat4all_deliveries_in_memory{{{CHANNEL}}})", "{{instance}}")]
                ),
                Chart(
                    "Brought by the provider",
                    PER_SECOND,
                    [(rate("chat4all_provider_updates_total", "kind", CHANNEL), "{{kind}}")],
                ),
                Chart("Receipts", PER_SECOND, [(rate("chat4all_receipts_total", "kind", CHANNEL), "{{kind}}")]),
                Chart("Lanes held", NUMBER, [(f"sum by (instance) (chat4all_lanes_held{{{CHANNEL}}})", "{{instance}}")]),
            ),
        ),
    ),
    ("channel", "label_values(chat4all_lanes_held, channel)"),
)

WORKERS = Board(
    "chat4all-workers",
    "The workers",
    "What runs in Celery and in the bridge, how long it takes, and whether somebody is missing.",
    (
        Row(
            "Chains",
            (
                Chart("Chains", PER_SECOND, [(rate("chat4all_chain_records_count", "topic"), "{{topic}}")]),
                Chart("Records", PER_SECOND, [(rate("chat4all_stage_records_total", "stage"), "{{stage}}")]),
                Chart("From handing out to done", SECONDS, _quantiles("chat4all_chain_seconds", "topic")),
                Chart("Runs of stages", PER_SECOND, [(rate("chat4all_stage_seconds_count", "stage"), "{{stage}}")]),
                Chart("Duration of stages", SECONDS, _quantiles("chat4all_stage_seconds", "stage")),
                Chart(
                    "Messages at fan_out", PER_SECOND, [(rate("chat4all_messages_fanned_out_total", "outcome"), "{{outcome}}")]
                ),
            ),
        ),
        Row(
            "Wake-ups",
            (
                Chart("Wake-ups", PER_SECOND, [(rate("chat4all_wakes_total", "channel"), "{{channel}}")]),
                Chart(
                    "Sweeps", PER_SECOND, [(rate("chat4all_sweeps_total"), "sweeps")], "About one a second; none: beat is away."
                ),
                Chart("Lanes nobody holds", NUMBER, [(largest("chat4all_lanes_stuck", "channel"), "{{channel}}")]),
                Chart("Lanes held", NUMBER, [("sum by (instance) (chat4all_lanes_held)", "{{instance}}")]),
                Chart(
                    "Partitions read",
                    NUMBER,
                    [("sum by (instance, topic) (chat4all_partitions_assigned)", "{{instance}} {{topic}}")],
                ),
                Chart("Keys waiting", NUMBER, [(largest("chat4all_retries_waiting", "channel"), "{{channel}}")]),
            ),
        ),
        Row(
            "Trouble",
            (
                Chart("Handed out again", PER_SECOND, [(rate("chat4all_chains_again_total", "topic"), "{{topic}}")]),
                Chart("Lanes taken over", PER_SECOND, [(rate("chat4all_lanes_taken_over_total", "channel"), "{{channel}}")]),
                Chart(
                    "Calls that failed", PER_SECOND, [(rate("chat4all_call_failures_total", "port, kind"), "{{port}} {{kind}}")]
                ),
            ),
        ),
        Row(
            "Calls",
            (
                Chart(
                    "Calls of the store",
                    PER_SECOND,
                    [(rate("chat4all_call_seconds_count", "call", 'port="store"'), "{{call}}")],
                ),
                Chart(
                    "Their duration, p99",
                    SECONDS,
                    [(quantile(0.99, "chat4all_call_seconds", "call", 'port="store"'), "{{call}}")],
                ),
                Chart(
                    "Calls of the log, p99",
                    SECONDS,
                    [(quantile(0.99, "chat4all_call_seconds", "call", 'port="log"'), "{{call}}")],
                ),
            ),
        ),
    ),
)

A_NODE = Board(
    "chat4all-node",
    "A node",
    "A machine and our processes on it.",
    (
        Row(
            "The machine",
            (
                Chart(
                    "CPU",
                    SHARE,
                    [
                        (
                            'sum by (mode) (rate(node_cpu_seconds_total{instance="$node", mode!="idle"}[$__rate_interval]))',
                            "{{mode}}",
                        )
                    ],
                ),
                Chart(
                    "Memory",
                    BYTES,
                    [
                        ('node_memory_MemTotal_bytes{instance="$node"}', "all"),
                        ('node_memory_MemAvailable_bytes{instance="$node"}', "available"),
                    ],
                ),
                Chart("Load", NUMBER, [('node_load1{instance="$node"}', "1 minute")]),
                Chart("Disk, free", BYTES, [(f"node_filesystem_avail_bytes{{{NODE_DISKS}}}", "{{mountpoint}}")]),
                Chart(
                    "Disk, busy",
                    SHARE,
                    [('rate(node_disk_io_time_seconds_total{instance="$node"}[$__rate_interval])', "{{device}}")],
                ),
                Chart(
                    "Network",
                    "Bps",
                    [
                        (
                            'sum by (device) (rate(node_network_receive_bytes_total{instance="$node"}[$__rate_interval]))',
                            "{{device}} in",
                        ),
                        (
                            'sum by (device) (rate(node_network_transmit_bytes_total{instance="$node"}[$__rate_interval]))',
                            "{{device}} out",
                        ),
                    ],
                ),
            ),
        ),
        Row(
            "Our processes",
            (
                Chart(
                    "CPU",
                    SHARE,
                    [(rate("process_cpu_seconds_total", "job, instance"), "{{job}} {{instance}}")],
                    "1 is one core.",
                ),
                Chart("Memory", BYTES, [("process_resident_memory_bytes", "{{job}} {{instance}}")]),
                Chart("Threads", NUMBER, [("process_threads", "{{job}} {{instance}}")]),
                Chart("Open files", NUMBER, [("process_open_fds", "{{job}} {{instance}}")]),
                Chart("Running for", SECONDS, [("time() - process_start_time_seconds", "{{job}} {{instance}}")]),
                Chart(
                    "Disk of the data folder",
                    BYTES,
                    [("chat4all_disk_free_bytes", "free {{instance}}"), ("chat4all_disk_size_bytes", "size {{instance}}")],
                ),
            ),
        ),
    ),
    ("node", "label_values(node_load1, instance)"),
)

BOARDS = (ROAD, A_CHANNEL, WORKERS, A_NODE)
