"""mynetworks_style: which networks a machine proposes."""

import ipaddress

import pytest

from mailadmin.transport.interfaces import Proposal, machine_interfaces, propose

MACHINE = [
    ("lo", ipaddress.ip_interface("127.0.0.1/8")),
    ("lo", ipaddress.ip_interface("::1/128")),
    ("eth0", ipaddress.ip_interface("10.1.2.3/24")),
    ("eth0", ipaddress.ip_interface("10.1.2.4/24")),
    ("eth1", ipaddress.ip_interface("172.20.5.6/28")),
    ("eth2", ipaddress.ip_interface("192.168.7.8/30")),
    ("eth2", ipaddress.ip_interface("2001:db8:1::5/64")),
]


@pytest.mark.parametrize(
    ("style", "networks"),
    [
        ("host", ["10.1.2.3/32", "10.1.2.4/32", "172.20.5.6/32", "192.168.7.8/32", "2001:db8:1::5/128"]),
        ("subnet", ["10.1.2.0/24", "172.20.5.0/28", "192.168.7.8/30", "2001:db8:1::/64"]),
        ("class", ["10.0.0.0/8", "172.20.0.0/16", "192.168.7.0/24", "2001:db8:1::/64"]),
    ],
)
def test_networks_by_style(style, networks):
    proposed = [proposal.cidr for proposal in propose(style, MACHINE)]

    assert proposed == ["127.0.0.0/8", "::1/128", *networks]


def test_a_proposal_names_its_interface():
    assert Proposal("10.1.2.0/24", "eth0") in propose("subnet", MACHINE)


def test_this_machine_has_a_loopback_and_no_link_local_network():
    interfaces = machine_interfaces()

    assert any(str(interface.network) == "127.0.0.0/8" for _, interface in interfaces)
    assert not any(interface.ip.is_link_local for _, interface in interfaces)
