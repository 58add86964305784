"""Contacts: who they are, and what is known of what they want."""
