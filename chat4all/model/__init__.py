"""Data types and pure rules that all processes share: messages, deliveries, files, records. Imports nothing of ours."""
