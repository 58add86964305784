"""The providers, imitated over HTTP on loopback: their endpoints, errors, webhooks, receipts and limits."""
