"""What readers are told: subscriptions, resuming, gRPC and Server-Sent Events. Imports nothing else of bridges."""
