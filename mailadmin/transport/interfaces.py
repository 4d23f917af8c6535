"""Which networks this machine would trust by mynetworks_style, read from its interfaces.

As Postfix does (postconf(5), mynetworks_style): `host` is the machine's own addresses, `subnet` the networks of its
interfaces, `class` the class A, B or C network of each IPv4 address (IPv6 has no classes: the subnet is taken).
Link-local addresses are left out, as their networks are the same on every interface.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import psutil

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True)
class Proposal:
    """A network to trust, and the interface it was read from."""

    cidr: str
    interface: str


def machine_interfaces() -> list[tuple[str, Interface]]:
    """(name, address with mask) of every interface that is configured."""
    found = []
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family in (socket.AF_INET, socket.AF_INET6) and address.netmask:
                found.append((name, _interface(address.address, address.netmask)))
    return [(name, interface) for name, interface in found if not interface.ip.is_link_local]


def propose(style: str, interfaces: list[tuple[str, Interface]]) -> list[Proposal]:
    """The networks of `style`, without duplicates, in the order of the interfaces."""
    network_of = {"host": _host, "subnet": lambda interface: interface.network, "class": _class}[style]
    proposals: dict[str, Proposal] = {}
    for name, interface in interfaces:
        # The loopback network is this machine whatever the style.
        network = interface.network if interface.ip.is_loopback else network_of(interface)
        proposals.setdefault(str(network), Proposal(str(network), name))
    return list(proposals.values())


def _interface(address: str, netmask: str) -> Interface:
    plain = address.partition("%")[0]
    if ":" in plain:
        prefix = bin(int(ipaddress.IPv6Address(netmask.partition("/")[0]))).count("1")
        return ipaddress.IPv6Interface(f"{plain}/{prefix}")
    return ipaddress.IPv4Interface(f"{plain}/{netmask}")


def _host(interface: Interface) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(interface.ip)


def _class(interface: Interface) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """RFC 791 section 3.2: the leading bits say how long the network part is."""
    if isinstance(interface, ipaddress.IPv6Interface):
        return interface.network
    first = interface.ip.packed[0]
    prefix = 8 if first < 128 else 16 if first < 192 else 24
    return ipaddress.ip_network((interface.ip, prefix), strict=False)
