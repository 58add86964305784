"""What everybody means by a message, a delivery, a file: frozen types and pure rules. Imports nothing of ours."""
