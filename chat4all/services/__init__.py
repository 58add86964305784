"""What several processes do with the ports, which are passed in. Imports channels, telemetry, ports, model."""
