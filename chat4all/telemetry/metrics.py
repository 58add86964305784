"""Declares every metric of the service: name, labels, meaning. docs/metrics.md is generated from it (`python -m ops.metrics`).

No label grows with users: never a user, an address, a conversation or a message. `reason` is a code from our own or the
provider's list. Units are seconds and bytes. Where several processes expose the same fact, `largest of all` says so.
"""

from chat4all.telemetry.instruments import Counter, Gauge, Histogram, Reading

GATEWAY, STREAM, BRIDGE, POLLING = "gateway", "stream", "bridge", "polling"
OBJECTS, INDEXER = "objects", "indexer"
PIPELINE, CHANNELS = "worker-pipeline", "worker-channels"

CALLS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ANSWERS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5)
ROADS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400)
TRANSFERS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

# Ways in.

ACCEPTED = Counter(
    "chat4all_messages_accepted_total",
    "Messages that were answered with accepted: they are durable. The same message_id again counts again.",
    where=(GATEWAY, STREAM),
)
REFUSED = Counter(
    "chat4all_messages_refused_total",
    "Messages that were not accepted, by code. What was no message at all is in chat4all_requests_refused_total only.",
    "reason",
    where=(GATEWAY, STREAM),
)
ACCEPT_SECONDS = Histogram(
    "chat4all_accept_seconds",
    "Time to accept: from a read request (of one message or a batch) to its durable answer.",
    buckets=ANSWERS,
    where=(GATEWAY, STREAM),
)
REQUESTS_REFUSED = Counter(
    "chat4all_requests_refused_total",
    "Requests that were answered with a problem, by its code: rate_limited, token_invalid, unavailable and so on.",
    "reason",
    where=(GATEWAY, STREAM, OBJECTS),
)
CONNECTIONS = Gauge("chat4all_connections", "Connections of clients to the gateway, idle ones too.", where=(GATEWAY,))
CONNECTIONS_CUT = Counter(
    "chat4all_connections_cut_total",
    "Connections that were ended for being slow (head_late, body_late, not_taken) or to make room (too_many, too_much held).",
    "why",
    where=(GATEWAY,),
)
LOGINS_REFUSED = Counter(
    "chat4all_logins_refused_total",
    "Logins and renewals that were refused: bad_credentials, user_disabled, rate_limited, token_reused and so on.",
    "reason",
    where=(GATEWAY,),
)
ACCOUNTS_UNREAD = Counter(
    "chat4all_accounts_unread_total",
    "Times that a process could not ask the store whether an account has changed. It goes on with what it knows.",
    where=(GATEWAY, STREAM, CHANNELS),
)
REVOCATIONS_UNREAD = Counter(
    "chat4all_revocations_unread_total",
    "Times that a process could not ask the store which logins have ended. After 30 s of it everybody is refused.",
    where=(GATEWAY, STREAM),
)
PROVIDER_UPDATES = Counter(
    "chat4all_provider_updates_total",
    "What providers brought by webhook or were asked for: message, receipt, template, unreadable and unclaimed (for an account "
    "that is not ours; both are kept in dead letters), passed_over (known, and no message), provider_error (its own trouble), "
    "blocked (from whom the team blocks: not kept), not_forwarded (too large for `provider.webhook`).",
    "channel",
    "kind",
    where=(GATEWAY, POLLING),
)
UPLOADS = Counter(
    "chat4all_uploads_total",
    "Files of clients, providers and conversions: begun, ready, failed (what arrived is not what was promised) or expired.",
    "source",
    "outcome",
    where=(GATEWAY, PIPELINE, CHANNELS),
)
UPLOAD_BYTES = Counter(
    "chat4all_upload_bytes_total", "Bytes of the files that became ready.", "source", where=(GATEWAY, CHANNELS)
)
FETCHES_REFUSED = Counter(
    "chat4all_fetches_refused_total",
    "Files that were not fetched because of where their URL leads, by what is wrong with it: another host, no public address.",
    "channel",
    "why",
    where=(CHANNELS,),
)

CONVERSIONS = Counter(
    "chat4all_conversions_total",
    "Files that were converted for channels that do not show them as they are: made, or why not (a delivery's reason).",
    "form",
    "outcome",
    where=(CHANNELS,),
)
CONVERSION_SECONDS = Histogram(
    "chat4all_conversion_seconds",
    "From taking a file out of the store to the end of its conversion.",
    "form",
    buckets=TRANSFERS,
    where=(CHANNELS,),
)

# The bridge. The first two are the same from every bridge: take the largest.

LAG = Reading(
    "chat4all_lag_records",
    "Records in the log that no chain has finished yet. Largest of all bridges.",
    "topic",
    "partition",
    where=(BRIDGE,),
)
OLDEST = Reading(
    "chat4all_oldest_unfinished_seconds",
    "Age of the oldest record that no chain has finished: of the oldest unfinished batch. 0: none. Largest of all bridges.",
    "topic",
    "partition",
    where=(BRIDGE,),
)
ASSIGNED = Gauge("chat4all_partitions_assigned", "Partitions that this bridge reads.", "topic", where=(BRIDGE,))
STOPPED = Gauge(
    "chat4all_partitions_stopped",
    "Partitions that this process reads no further, because a record of a newer version than it knows comes next.",
    "topic",
    where=(BRIDGE, STREAM),
)
CHAIN_RECORDS = Histogram(
    "chat4all_chain_records", "Records per chain; its count is the number of chains.", "topic", buckets=COUNTS, where=(BRIDGE,)
)
CHAIN_SECONDS = Histogram(
    "chat4all_chain_seconds",
    "From handing a batch out to seeing in the store that it is done.",
    "topic",
    buckets=CALLS,
    where=(BRIDGE,),
)
CHAINS_AGAIN = Counter(
    "chat4all_chains_again_total", "Batches that were handed out again, because they showed no life.", "topic", where=(BRIDGE,)
)

# The pipeline.

STAGE_SECONDS = Histogram(
    "chat4all_stage_seconds", "One run of a stage over a batch.", "stage", buckets=CALLS, where=(PIPELINE,)
)
STAGE_RECORDS = Counter("chat4all_stage_records_total", "Records that a stage was given.", "stage", where=(PIPELINE,))
STAGE_FAILURES = Counter(
    "chat4all_stage_failures_total",
    "Runs of a stage that failed: outage (log or store away; blames nobody) or records (some record is at fault).",
    "stage",
    "kind",
    where=(PIPELINE,),
)
NEWER_RECORDS = Counter(
    "chat4all_newer_records_total",
    "Times that a partition was stopped before a record of a newer version than the process knows: upgrade that process.",
    "topic",
    where=(PIPELINE, BRIDGE, STREAM),
)
FANNED_OUT = Counter(
    "chat4all_messages_fanned_out_total",
    "Messages that fan_out saw: first (the first with its id), repeat, or conflict (its id belongs to another body).",
    "outcome",
    where=(PIPELINE,),
)
RECEIPTS = Counter(
    "chat4all_receipts_total",
    "Receipts of providers that the receipts stage applied or parked, by what they say.",
    "channel",
    "kind",
    where=(PIPELINE,),
)
RECEIPTS_PARKED = Counter(
    "chat4all_receipts_parked_total", "Receipts for ids that were not known yet.", "channel", where=(PIPELINE,)
)
DEFERRED = Counter(
    "chat4all_deferred_updates_total",
    "What providers told and what waits, by what for: target (of a reaction, edit or deletion), quote, echo.",
    "channel",
    "why",
    where=(GATEWAY, POLLING),
)
DEFERRED_ENDED = Counter(
    "chat4all_deferred_ended_total",
    "Such updates that wait no more: found, gave_up (told without its target), late (found after that), never, own, "
    "colleagues, failed.",
    "channel",
    "outcome",
    where=(PIPELINE,),
)
DEFERRED_BEHIND = Reading(
    "chat4all_deferred_behind_seconds",
    "For how long the update that waits longest should have been looked at.",
    where=(PIPELINE,),
)
LEGS_BEGUN = Counter(
    "chat4all_route_legs_total",
    "Later legs of routes that took over: the one before failed, or its time was over (`why`: failed, time).",
    "channel",
    "why",
    where=(PIPELINE,),
)
LATE_RESENDS = Counter(
    "chat4all_late_resends_total",
    "Messages that are sent again because the provider took them and failed them later, for a reason that passes.",
    "channel",
    where=(PIPELINE,),
)
DEFERRED_RECORDS = Counter(
    "chat4all_deferred_records_total",
    "Records that were to be appended later and are done with: released, refused.",
    "kind",
    "outcome",
    where=(PIPELINE,),
)
DEFERRED_RECORDS_LATE = Reading(
    "chat4all_deferred_records_late_seconds",
    "For how long the record that is due first should have been appended.",
    "kind",
    where=(PIPELINE,),
)
DEFERRED_RECORDS_WAITING = Reading(
    "chat4all_deferred_records_waiting",
    "Records that wait to be appended, by what for: scheduled (messages to be sent later), leg, resend. Counted each minute.",
    "kind",
    where=(PIPELINE,),
)
RECEIPTS_EXPIRED = Counter(
    "chat4all_receipts_expired_total", "Parked receipts that no delivery ever claimed.", "channel", where=(PIPELINE,)
)
POSITIONS = Counter(
    "chat4all_positions_total", "Positions that clients reported: delivered or read.", "kind", where=(PIPELINE,)
)
DELIVERIES = Counter(
    "chat4all_deliveries_total",
    "Deliveries that came into a state: PENDING (made), SENT, DELIVERED, READ, FAILED, CANCELLED. A rerun after a crash "
    "counts again.",
    "channel",
    "state",
    where=(PIPELINE, CHANNELS),
)
DELIVERY_SECONDS = Histogram(
    "chat4all_delivery_seconds",
    "From accept until the delivery was SENT, DELIVERED or READ. Not every channel reports all of these.",
    "channel",
    "state",
    buckets=ROADS,
    where=(PIPELINE, CHANNELS),
)
DEAD_LETTERS = Counter(
    "chat4all_dead_letters_total",
    "Dead letters, by stage and reason.",
    "stage",
    "reason",
    where=(GATEWAY, POLLING, PIPELINE, CHANNELS),
)
WAKES = Counter("chat4all_wakes_total", "Wake-ups of lanes that were sent to the broker.", "channel", where=(PIPELINE,))
SWEEPS = Counter("chat4all_sweeps_total", "Sweeps that were finished: about one a second over all workers.", where=(PIPELINE,))
LANES_STUCK = Reading(
    "chat4all_lanes_stuck",
    "Lanes that the last sweep found with work and no living holder. Now and then one is well. Largest of all workers.",
    "channel",
    where=(PIPELINE,),
)
RETRIES_WAITING = Reading(
    "chat4all_retries_waiting",
    "Keys (a conversation's address) that wait before they are tried again. Largest of all workers.",
    "channel",
    where=(PIPELINE,),
)
HELD_KEYS = Reading(
    "chat4all_held_keys",
    "Keys that are held until a person writes. Largest of all workers.",
    "channel",
    where=(PIPELINE,),
)
HELD_OLDEST = Reading(
    "chat4all_held_oldest_seconds",
    "For how long the key is held that is held longest. Largest of all workers.",
    "channel",
    where=(PIPELINE,),
)
ROWS_EXPIRED = Counter(
    "chat4all_rows_expired_total",
    "Rows that had their days and went: messages, deliveries, handles, ids, letters and so on. Of Cassandra, where rows"
    " expire by themselves, letters only.",
    "kind",
    where=(PIPELINE,),
)
RETIRING_BEHIND = Reading(
    "chat4all_retiring_behind_seconds",
    "How much longer than its days the oldest delivery row is kept: it has not ended, or retiring does not keep up."
    " Largest of all workers.",
    where=(PIPELINE,),
)
CONVERSATIONS_OPENED = Counter(
    "chat4all_conversations_opened_total",
    "Conversations that became open by themselves: their customer wrote, or their snooze was over.",
    "by",
    where=(PIPELINE,),
)
DELIVERIES_PRICED = Counter(
    "chat4all_deliveries_priced_total",
    "Deliveries of which the provider said what they cost, by category (marketing, utility, authentication, "
    "authentication_international, service, referral_conversion, other): charged, or free.",
    "channel",
    "category",
    "price",
    where=(PIPELINE,),
)
TEMPLATES_READ = Counter(
    "chat4all_templates_read_total",
    "Accounts whose templates their provider was asked for: read, or failed.",
    "channel",
    "outcome",
    where=(PIPELINE,),
)
BROADCAST_TURNS = Counter(
    "chat4all_broadcast_turns_total",
    "Turns in broadcasts: accepted, refused, skipped, or waiting: put off.",
    "outcome",
    where=(PIPELINE,),
)
BROADCASTS_STALLED = Reading(
    "chat4all_broadcast_stalled_seconds",
    "For how long no contact has had its turn in a broadcast that runs. Largest of all workers.",
    where=(PIPELINE,),
)
REMINDERS_BEHIND = Reading(
    "chat4all_reminders_behind_seconds",
    "How long the oldest of what is due with conversations waits: the end of a snooze, news that nobody told. Largest of all"
    " workers.",
    where=(PIPELINE,),
)

# The channels.

ATTEMPTS = Counter(
    "chat4all_attempts_total",
    "Calls to the provider: sent, temporary, throttled, permanent, or unknown (no answer).",
    "channel",
    "outcome",
    where=(CHANNELS,),
)
ATTEMPT_SECONDS = Histogram(
    "chat4all_attempt_seconds", "One call to the provider.", "channel", buckets=CALLS, where=(CHANNELS,)
)
PROVIDER_UPLOADS = Counter(
    "chat4all_provider_uploads_total",
    "Files given to a provider before they are sent: uploaded, failed (tried again), refused (it goes in another way); "
    "again: the provider refused what was uploaded long ago.",
    "channel",
    "outcome",
    where=(CHANNELS,),
)
PROVIDER_UPLOAD_BYTES = Counter(
    "chat4all_provider_upload_bytes_total", "Bytes of the files that were uploaded.", "channel", where=(CHANNELS,)
)
PROVIDER_UPLOAD_SECONDS = Histogram(
    "chat4all_provider_upload_seconds",
    "One upload to a provider, from its first byte to its answer.",
    "channel",
    buckets=TRANSFERS,
    where=(CHANNELS,),
)
THROTTLED = Counter(
    "chat4all_throttled_total",
    "Sends that were put off: the provider said so, pace (its limit for one address), or breaker (open).",
    "channel",
    "by",
    where=(CHANNELS,),
)
UNKNOWN_OUTCOMES = Counter("chat4all_unknown_outcomes_total", "Calls whose outcome is not known.", "channel", where=(CHANNELS,))
SECOND_SENDS = Counter(
    "chat4all_second_sends_total",
    "Sends after an unknown outcome: they may have reached the person twice.",
    "channel",
    where=(CHANNELS,),
)
SIGNALS = Counter(
    "chat4all_signals_total",
    "Signals (typing, read, pressed): shown, refused (no such thing there), failed, or dropped: too many or too often, the "
    "account's breaker is open, or the provider failed just before. None is tried again.",
    "channel",
    "kind",
    "outcome",
    where=(CHANNELS,),
)
BREAKER_OPEN = Reading("chat4all_breaker_open", "1 while the account's breaker holds sends back.", "channel", where=(CHANNELS,))
BREAKER_OPENED = Counter("chat4all_breaker_opened_total", "Breakers that opened.", "channel", where=(CHANNELS,))
ACCOUNT_PAUSED = Reading(
    "chat4all_account_paused",
    "1 while the channel's account is paused: what is to be sent from it waits.",
    "channel",
    where=(CHANNELS,),
)
ACCOUNT_UNOPENED = Reading(
    "chat4all_account_unopened",
    "1 while the channel's account cannot be opened, by its settings or its sealed credentials: what is to be sent waits.",
    "channel",
    where=(CHANNELS,),
)
ACCOUNTS_REFUSED = Reading(
    "chat4all_accounts_refused",
    "Connected accounts whose credentials the provider refused when it was asked last.",
    "channel",
    where=(PIPELINE,),
)
ACCOUNTS_SUSPENDED = Reading(
    "chat4all_accounts_suspended",
    "Connected accounts that nothing is sent from for now: their provider refused messages for a reason that is the account's.",
    "channel",
    where=(PIPELINE,),
)
ACCOUNT_TOKEN_ENDS = Reading(
    "chat4all_account_token_ends_seconds",
    "Until the token of a connected account ends, of the one that ends first; left out where none ends.",
    "channel",
    where=(PIPELINE,),
)
KEYS_FAILED = Counter(
    "chat4all_keys_failed_total",
    "Work on a conversation's address that failed for a reason that nobody foresaw; it is tried again, less and less often.",
    "channel",
    where=(CHANNELS,),
)
WEBHOOK_CALLS = Counter(
    "chat4all_webhook_calls_total",
    "Calls to endpoints of webhooks, by outcome: told, 3xx, 4xx, 5xx, timeout, unreachable, fetch_refused, sealed.",
    "outcome",
    where=(CHANNELS,),
)
WEBHOOK_PASSING_DROPPED = Counter(
    "chat4all_webhook_passing_dropped_total",
    "Events of typing and presence that an endpoint was not told of: it was down, slow or throttled. Nobody promises them.",
    where=(CHANNELS,),
)
WEBHOOK_CALL_SECONDS = Histogram("chat4all_webhook_call_seconds", "One call to an endpoint.", buckets=CALLS, where=(CHANNELS,))
WEBHOOK_OLDEST_SECONDS = Reading(
    "chat4all_webhook_oldest_seconds",
    "Age of the oldest event that is untold to an endpoint that wants it, in this worker's partitions.",
    where=(CHANNELS,),
)
WEBHOOK_ENDPOINTS_WAITING = Reading(
    "chat4all_webhook_endpoints_waiting",
    "Endpoints that are down or behind, or have conversations that wait to be tried again.",
    where=(CHANNELS,),
)
WEBHOOK_ENDPOINTS_SEALED = Reading(
    "chat4all_webhook_endpoints_sealed",
    "Endpoints whose secret no key in CHAT4ALL_SECRET_SEAL opens, as their last call found: they are told nothing.",
    where=(CHANNELS,),
)
WEBHOOKS_DISABLED = Counter(
    "chat4all_webhooks_disabled_total",
    "Endpoints that were disabled, by reason: gone (it answered 410), failing (no success for 5 days).",
    "reason",
    where=(CHANNELS,),
)
WEBHOOK_EVENTS_GIVEN_UP = Counter(
    "chat4all_webhook_events_given_up_total", "Events that had all their tries at an endpoint: dead letters.", where=(CHANNELS,)
)
WEBHOOK_EVENTS_LOST = Counter(
    "chat4all_webhook_events_lost_total",
    "Events that the log forgot before endpoints were told of them, or before a recovery came to them.",
    where=(CHANNELS,),
)
LANES_HELD = Reading("chat4all_lanes_held", "Lanes that this worker holds.", "channel", where=(CHANNELS,))
LANES_TAKEN_OVER = Counter(
    "chat4all_lanes_taken_over_total", "Lanes taken from a holder that was dead or silent.", "channel", where=(CHANNELS,)
)
FENCED_WRITES = Counter(
    "chat4all_fenced_writes_total",
    "What a holder was kept from: a beat, refused by the store (another has the lane), or further sends, by its own clock.",
    "channel",
    "what",
    where=(CHANNELS,),
)
IN_FLIGHT = Reading("chat4all_sends_in_flight", "Calls to the provider under way.", "channel", where=(CHANNELS,))
IN_MEMORY = Reading(
    "chat4all_deliveries_in_memory",
    "Deliveries that were read from held lanes and are not ended yet.",
    "channel",
    where=(CHANNELS,),
)

# The stream server. `transport` is grpc or sse.

STREAMS = Reading("chat4all_streams_connected", "Streams that are open now.", "transport", where=(STREAM,))
USERS_ONLINE = Reading("chat4all_users_online", "Users who have a stream open, here or elsewhere.", where=(STREAM,))
PRESENCE_UNHEARD = Reading(
    "chat4all_presence_unheard_seconds",
    "Since this process last heard, by the log, its own report of who reads here; 0 without readers. From 30 on others hold "
    "its readers for gone.",
    where=(STREAM,),
)
STREAMS_OPENED = Counter("chat4all_streams_opened_total", "Streams that were opened.", "transport", where=(STREAM,))
EVENTS_SENT = Counter("chat4all_stream_events_sent_total", "Events written to streams.", "transport", where=(STREAM,))
CUT_OFF = Counter(
    "chat4all_streams_cut_off_total",
    "Streams that we ended: too_slow, token_expired or unavailable.",
    "transport",
    "reason",
    where=(STREAM,),
)
RELOADS = Counter(
    "chat4all_stream_reloads_total",
    "Readers who were told `reload`: they were away for longer than is kept, or came with a cursor of an older release.",
    "reason",
    where=(STREAM,),
)
STREAM_LAG = Reading(
    "chat4all_stream_lag_records", "Events in the log that this server has not dispatched yet.", where=(STREAM,)
)
EVENT_SECONDS = Histogram(
    "chat4all_event_seconds",
    "From an event's publication to its dispatch; the first of each read.",
    buckets=CALLS,
    where=(STREAM,),
)

# Search.

SEARCH_LAG = Reading(
    "chat4all_search_lag_records", "Events in the log that the search index does not have yet.", where=(INDEXER,)
)
SEARCH_DOCUMENTS = Reading("chat4all_search_messages", "Messages that the search index finds, about.", where=(INDEXER,))
SEARCH_BUILDING = Reading(
    "chat4all_search_building", "1 while the index is made of the store, and is not complete; else 0.", where=(INDEXER,)
)
SEARCH_SECONDS = Histogram(
    "chat4all_search_seconds", "From a read search request to its answer.", buckets=CALLS, where=(GATEWAY,)
)
LINK_PREVIEWS = Counter(
    "chat4all_link_previews_total",
    "Pages that were fetched to show what a link leads to, by what came of it: found, or the reason.",
    "outcome",
    where=(GATEWAY,),
)

# What everybody calls.

CALL_SECONDS = Histogram(
    "chat4all_call_seconds",
    "Calls of the log, the store and the object store (port), by the port's method. Not the waiting for something to come.",
    "port",
    "call",
    buckets=CALLS,
)
CALL_FAILURES = Counter(
    "chat4all_call_failures_total",
    "Such calls that failed: temporary, unknown, lost, or error (anything else). A plain no (permanent) is not counted.",
    "port",
    "call",
    "kind",
)
BROKER_FAILURES = Counter(
    "chat4all_broker_failures_total", "Messages that the Celery broker did not take. Nothing is lost: they are sent again."
)
READ_FAILURES = Counter(
    "chat4all_read_failures_total", "Figures left out of a scrape, because log or store were away.", "metric"
)

# The process. Over all of its processes where it has several.

CPU_SECONDS = Reading("process_cpu_seconds_total", "CPU time, user and system.", kind="counter")
MEMORY = Reading("process_resident_memory_bytes", "Memory in use.")
OPEN_FILES = Reading("process_open_fds", "Open files and connections.")
THREADS = Reading("process_threads", "Threads.")
PROCESSES = Reading("chat4all_processes", "Processes: 1, or gunicorn's with its workers.")
STARTED = Reading("process_start_time_seconds", "When it started (Unix time).")
BUILD = Reading("chat4all_build_info", "1; the label has the version.", "version")
DISK_FREE = Reading("chat4all_disk_free_bytes", "Free space where the data folder is.", where=(BRIDGE,))
DATA_BYTES = Reading(
    "chat4all_data_bytes", "Bytes of the embedded store and log, with what waits beside their files.", "part", where=(BRIDGE,)
)
DISK_SIZE = Reading("chat4all_disk_size_bytes", "Size of the disk where the data folder is.", where=(BRIDGE,))
