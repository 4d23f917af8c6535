"""Listening sockets as the kernel shows them."""

import os
import socket

import pytest

from mailadmin.appliance.sockets import listening_addresses, port_taken


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_what_this_process_listens_on_is_found(family, host):
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        port = listener.getsockname()[1]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

        assert shown in listening_addresses(os.getpid())
        assert port_taken(host, port) is not None

    assert shown not in listening_addresses(os.getpid())
    assert port_taken(host, port) is None


def test_a_process_that_is_gone_listens_on_nothing():
    assert listening_addresses(2**22 + 1) == []
