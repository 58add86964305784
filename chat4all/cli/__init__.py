"""The command line. The top floor of chat4all: it may import everything, and nothing imports it."""
