"""How gunicorn serves the gateway: sockets, worker, log, metrics. Imports nothing else of webapp."""
