"""Inputs nobody would write: `make fuzz` for minutes, a few seconds of it in `make test`."""
