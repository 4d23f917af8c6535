"""Hints over Redis: lossy by contract, they only say "look again"."""
