"""Who may relay and where mail goes: server identity, networks, relay hosts, transport rules."""
