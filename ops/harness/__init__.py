"""Starting, watching and killing a whole system from outside: for tests, demos and the bench."""
