"""What all processes share: types, ports, channels, services, client, command line. Importing it contacts no server."""
