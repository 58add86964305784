"""The calls of the API, one file for each resource, with what only they need. Imports every other room but `server`."""
