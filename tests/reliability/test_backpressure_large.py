"""A message of 50 MiB costs no connection more than 8 MiB of memory, on any way in or out."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from mailadmin.directory.models import Account
from tests.fakes.queue_processes import QueueProcesses
from tests.fakes.queue_world import QueueWorld
from tests.fixtures_servers import Servers, wait_until
from tests.reliability.memory import MIB, Growth
from tests.reliability.nodes import Cluster, Node, cluster

pytestmark = pytest.mark.timeout(300)

SIZE = 50 * MIB
PER_CONNECTION = 8 * MIB
AT_ONCE = 2
LINE = b"0123456789abcdef" * 4 + b"\r\n"
HEADER = b"From: a@there.test\r\nTo: b@nodes.test\r\nSubject: large\r\n\r\n"
BLOCK = LINE * 2048


def blocks(size: int = SIZE) -> Iterator[bytes]:
    """A message in wire form, a piece at a time."""
    yield HEADER
    for _ in range(size // len(BLOCK)):
        yield BLOCK


def wire_size(size: int = SIZE) -> int:
    return len(HEADER) + size // len(BLOCK) * len(BLOCK)


@pytest.fixture(scope="module")
def found(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(servers, tmp_path_factory.mktemp("large")) as found:
        found.start("north")
        address = found.account()
        smtp_data(found.nodes[0], address, 2 * MIB)  # what a first message costs once
        client = found.nodes[0].imap(address)
        client.ok(b"SELECT INBOX")
        client.ok(b"FETCH 1 BODY.PEEK[]")
        client.close()
        yield found


def at_once(*calls: Callable[[], object]) -> None:
    with ThreadPoolExecutor(len(calls)) as pool:
        for result in [pool.submit(call) for call in calls]:
            result.result()


def smtp_data(node: Node, address: str, size: int = SIZE) -> None:
    client = node.smtp(timeout_s=120)
    assert client.code(b"MAIL FROM:<a@there.test>") == b"250"
    assert client.code(f"RCPT TO:<{address}>".encode()) == b"250"
    assert client.code(b"DATA") == b"354"
    for block in blocks(size):
        client.send(block)
    assert client.code(b".") == b"250"
    client.close()


def smtp_bdat(node: Node, address: str) -> None:
    client = node.smtp(timeout_s=120)
    assert client.code(b"MAIL FROM:<a@there.test>") == b"250"
    assert client.code(f"RCPT TO:<{address}>".encode()) == b"250"
    client.send(b"BDAT %d LAST\r\n" % wire_size())
    for block in blocks():
        client.send(block)
    assert client.reply()[:3] == b"250"
    client.close()


def imap_append(node: Node, address: str) -> None:
    client = node.imap(address, timeout_s=120)
    client.send(b"a APPEND INBOX {%d+}\r\n" % wire_size())
    for block in blocks():
        client.send(block)
    client.send(b"\r\n")
    assert client.read_answer(b"a").status == "OK"
    client.close()


def drain(sock: socket.socket, end: bytes) -> int:
    """Reads until `end`; returns how much came."""
    total, tail = 0, b""
    while end not in tail:
        data = sock.recv(1 << 18)
        assert data, "closed"
        total, tail = total + len(data), (tail + data)[-200:]
    return total


def imap_fetch(node: Node, address: str) -> None:
    client = node.imap(address, timeout_s=120)
    client.ok(b"SELECT INBOX")
    client.send(b"f FETCH 1 BODY.PEEK[]\r\n")
    assert drain(client.socket, b"f OK") >= wire_size()
    client.close()


def imap_fetch_part(node: Node, address: str) -> None:
    client = node.imap(address, timeout_s=120)
    client.ok(b"SELECT INBOX")
    client.send(b"f FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[1])\r\n")
    assert drain(client.socket, b"f OK") >= wire_size() - len(HEADER)
    client.close()


def pop3_retr(node: Node, address: str) -> None:
    client = node.pop3(address)
    client._putcmd("RETR 1")  # type: ignore[attr-defined]
    assert drain(client.sock, b"\r\n.\r\n") >= wire_size()
    client.close()


RECEIVING = {"SMTP DATA": (smtp_data, "smtpd"), "SMTP BDAT": (smtp_bdat, "smtpd"), "APPEND": (imap_append, "accessd")}
SERVING = {"FETCH BODY[]": imap_fetch, "FETCH BODYSTRUCTURE BODY[1]": imap_fetch_part, "RETR": pop3_retr}


@pytest.mark.parametrize("way", RECEIVING)
@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_receiving(found: Cluster, way: str, store: str, record: Callable[..., None]) -> None:
    send, program = RECEIVING[way]
    node, addresses = found.nodes[0], [found.account(store) for _ in range(AT_ONCE)]

    with Growth(node.pid(program)) as growth:
        at_once(*(lambda address=address: send(node, address) for address in addresses))  # type: ignore[misc]

    assert growth.bytes <= AT_ONCE * PER_CONNECTION, growth.mib
    record(7, f"50 MiB by {way}, {store}", mib_per_connection=round(growth.mib / AT_ONCE, 1))


@pytest.mark.parametrize("way", SERVING)
@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_serving(found: Cluster, way: str, store: str, record: Callable[..., None]) -> None:
    node, addresses = found.nodes[0], [found.account(store) for _ in range(AT_ONCE)]
    for address in addresses:
        smtp_data(node, address)

    with Growth(node.pid("accessd")) as growth:
        at_once(*(lambda address=address: SERVING[way](node, address) for address in addresses))  # type: ignore[misc]

    assert growth.bytes <= AT_ONCE * PER_CONNECTION, growth.mib
    record(7, f"50 MiB by {way}, {store}", mib_per_connection=round(growth.mib / AT_ONCE, 1))


def test_relaying(django_database: str, mail_home: Path, redis_url: str, record: Callable[..., None]) -> None:
    """The worker of the queue reads it from the spool and sends it, block by block."""
    world = QueueWorld(django_database, mail_home)
    processes = QueueProcesses(world.url, redis_url, world.home, workers=1)
    try:
        with CountingSink() as sink:
            world.relayhost(sink.port)
            world.enqueue("first@there.test")
            processes.start("worker")
            processes.start("scheduler")
            wait_until(lambda: sink.messages == 1, seconds=60, what="the worker works")
            disk = b"".join(blocks()).replace(b"\r\n", b"\n")
            with Growth(*processes.children("worker")) as growth:
                world.enqueue("large@there.test", content=disk)
                wait_until(lambda: sink.messages == 2, seconds=60, what="the large message arrives")
            assert sink.octets > wire_size()
    finally:
        processes.close()
        world.close()

    assert growth.bytes <= PER_CONNECTION, growth.mib
    record(7, "50 MiB relayed", mib_per_connection=growth.mib)


def test_downloading(servers: Servers, tmp_path: Path, django_database: str, record: Callable[..., None]) -> None:
    """The whole message as a file, from the web process."""
    with cluster(servers, tmp_path, django_database) as found:
        node, address = found.start("north"), found.account()
        smtp_data(node, address)
        account = Account.objects.get(address=address)
        browser = Client()
        browser.force_login(account)
        ((mailbox_id,),) = found.execute(
            "SELECT id FROM mailbox WHERE account_id = %s AND name = 'INBOX'", (account.pk,)
        )
        port = found.start_web()
        cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"}
        page = f"/mail/folder/{mailbox_id}/"
        assert fetch(port, page, cookie) > 1000

        with Growth(*found.web_pids()) as growth:
            calls = [lambda: fetch(port, f"{page}1/raw/", cookie)] * AT_ONCE
            at_once(*calls)
        assert fetch(port, f"{page}1/raw/", cookie) >= wire_size()

    assert growth.bytes <= AT_ONCE * PER_CONNECTION, growth.mib
    record(7, "50 MiB downloaded from webmail", mib_per_connection=round(growth.mib / AT_ONCE, 1))


def fetch(port: int, path: str, headers: dict[str, str]) -> int:
    """How many octets come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    total = 0
    while block := answer.read(1 << 18):
        total += len(block)
    connection.close()
    return total


class CountingSink:
    """Takes messages and forgets them."""

    def __init__(self) -> None:
        self.messages = self.octets = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> CountingSink:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as lines:
            sock.sendall(b"220 sink\r\n")
            while line := lines.readline():
                sock.sendall(b"354 go\r\n" if line.upper().startswith(b"DATA") else b"250 ok\r\n")
                if line.upper().startswith(b"DATA"):
                    while (line := lines.readline()) not in (b".\r\n", b""):
                        self.octets += len(line)
                    self.messages += 1
                    sock.sendall(b"250 taken\r\n")
