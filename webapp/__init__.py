"""The gateway: REST calls and webhooks. Imports `storage` and `chat4all`, never `tasks`."""
