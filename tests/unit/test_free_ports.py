"""The ports that tests give to their servers."""

import socket
import subprocess
import sys

from tests.fixtures_servers import ROOT
from tests.free_ports import BLOCK, choose_free_port


def test_none_is_handed_out_twice_in_a_row():
    """By port 0 the kernel once gave one node's SMTP and IMAP the same number."""
    ports = [choose_free_port() for _ in range(BLOCK // 2)]
    assert len(set(ports)) == len(ports)


def test_a_port_in_use_is_left_out():
    first = choose_free_port()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", choose_free_port()))
        taken.listen()
        ports = {choose_free_port() for _ in range(BLOCK)}
        assert taken.getsockname()[1] not in ports
    assert first in ports


def test_two_processes_never_share_one():
    ask = "from tests.free_ports import *; print(*(choose_free_port() for _ in range(BLOCK)))"
    other = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, check=True, text=True)
    assert not {int(port) for port in other.stdout.split()} & {choose_free_port() for _ in range(BLOCK)}
