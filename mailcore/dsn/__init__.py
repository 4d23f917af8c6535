"""Delivery status notifications (RFC 3461 to 3464): whether one is due, and what it says."""
