"""The words every Chat4All process shares. Importing this package contacts no server."""
