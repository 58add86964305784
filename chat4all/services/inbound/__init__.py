"""What providers send: webhooks, inbound messages, receipts. Imports `acceptance` and `directory`."""
