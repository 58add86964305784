"""What the service does for whoever asks, over ports that are passed in. Imports channels, telemetry, ports, model."""
