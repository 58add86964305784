"""Broadcasts: what people do with them, and the steps in which those that run go on."""
