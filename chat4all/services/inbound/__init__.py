"""What providers bring: webhooks, inbound messages, receipts. Imports `acceptance` and `directory`."""
