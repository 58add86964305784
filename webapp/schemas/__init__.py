"""Models of requests and answers, for checking and for the OpenAPI document. Imports nothing else of webapp."""
