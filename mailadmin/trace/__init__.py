"""The message trace: one timeline per message."""
