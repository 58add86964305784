"""The load test: `make load`. messages.js is k6's; this package finds k6, a token, and writes down what came out."""
