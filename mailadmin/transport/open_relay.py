"""Which networks are so wide that trusting them makes an open relay. The database's constraint says the same."""

from __future__ import annotations

import ipaddress

PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)
NARROWEST_PREFIX = {4: 16, 6: 32}  # a provider's whole allocation; no single organisation's clients are wider


def is_open_relay(cidr: str) -> bool:
    """Whether strangers live in this network: neither private nor narrow."""
    network = ipaddress.ip_network(cidr)
    if any(network.version == private.version and network.subnet_of(private) for private in PRIVATE):  # type: ignore[arg-type]
        return False
    return network.prefixlen < NARROWEST_PREFIX[network.version]
