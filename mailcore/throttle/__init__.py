"""Guessing passwords is made slow, over all programs together."""
