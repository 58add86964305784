"""What the API takes and gives, for checking and for the OpenAPI document. Imports nothing else of webapp."""
