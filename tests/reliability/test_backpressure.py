"""Whoever is too fast, too slow or silent costs bounded memory, and keeps nobody else waiting."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures_servers import Servers, wait_until
from tests.reliability.memory import MIB, Growth
from tests.reliability.nodes import Cluster, Node, cluster

pytestmark = pytest.mark.timeout(300)

# On a machine of two cores that other tests use too; without the load it is a few milliseconds.
SERVED_WITHIN_S = 2.0
MEDIAN_WITHIN_S = 0.5


@pytest.fixture(scope="module")
def found(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(servers, tmp_path_factory.mktemp("backpressure")) as found:
        found.start("north")
        yield found


class Healthy:
    """A client that wants little: how long it waits for each answer, on new connections and on old ones."""

    def __init__(self, node: Node, address: str) -> None:
        self._node, self._address = node, address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._imap, self._smtp = node.imap(address), node.smtp()
        self._imap.ok(b"SELECT INBOX")
        self.waited: list[float] = []
        self.error: BaseException | None = None

    def __enter__(self) -> Healthy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self._imap.close()
        self._smtp.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.05):
                self._timed(lambda: self._imap.ok(b"NOOP"))
                self._timed(lambda: self._smtp.say(b"RSET"))
                self._timed(lambda: self._node.smtp().close())
                self._timed(lambda: self._node.imap(self._address).close())
        except BaseException as error:
            self.error = error

    def _timed(self, action: Callable[[], object]) -> None:
        begun = time.monotonic()
        action()
        self.waited.append(time.monotonic() - begun)

    @property
    def median_s(self) -> float:
        return sorted(self.waited)[len(self.waited) // 2]

    def assert_served(self) -> dict[str, int]:
        assert len(self.waited) >= 8
        assert max(self.waited) < SERVED_WITHIN_S and self.median_s < MEDIAN_WITHIN_S, sorted(self.waited)[-5:]
        return {"healthy_p50_ms": round(self.median_s * 1000), "healthy_max_ms": round(max(self.waited) * 1000)}


def send_without_mercy(node: Node, address: str, size: int, accepted: list[int], stop: threading.Event) -> None:
    """The next message follows as soon as the one before is acknowledged."""
    client = node.smtp(timeout_s=120)
    text = b"Subject: fast\r\n\r\n" + b"x" * 70 * (size // 70)
    with contextlib.suppress(ConnectionError):
        while not stop.is_set():
            client.send(b"MAIL FROM:<a@there.test>\r\nRCPT TO:<%b>\r\nDATA\r\n" % address.encode())
            assert [client.reply()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
            client.send(text + b"\r\n.\r\n")
            assert client.reply()[:3] == b"250"
            accepted.append(size)
    client.close()


def test_senders_faster_than_the_disk(
    servers: Servers, tmp_path: Path, length: Callable[..., float], record: Callable[..., None]
) -> None:
    senders, size, seconds = int(length(40, 100)), 100_000, length(5, 30)
    with cluster(servers, tmp_path) as slow:
        node = slow.start("slow", NODE_SCRIPT="slow_disk_node.py", SLOW_DISK_S="0.3")
        address, other = slow.account(), slow.account()
        accepted: list[int] = []
        stop = threading.Event()
        threads = [
            threading.Thread(target=send_without_mercy, args=(node, address, size, accepted, stop), daemon=True)
            for _ in range(senders)
        ]
        with Growth(node.pid("smtpd")) as growth, Healthy(node, other) as healthy:
            for thread in threads:
                thread.start()
            time.sleep(seconds)
            stop.set()
            for thread in threads:
                thread.join(60)
        assert slow.execute("SELECT count(*) FROM message") == [(len(accepted),)]

    assert len(accepted) > senders, "the disk is slow, not dead"
    # What each sender may have in memory: a message in the making, what it has sent ahead, its part of a batch going
    # out. Reached after a quarter of a minute; it does not grow with the number of messages.
    assert growth.bytes < 30 * MIB + senders * MIB, growth.mib
    latency = healthy.assert_served()
    record(7, "senders faster than the disk", senders=senders, growth_mib=growth.mib, accepted=len(accepted), **latency)


def fill(node: Node, address: str, messages: int, size: int) -> None:
    """A mailbox of so many messages, by copying what is there."""
    client = node.imap(address)
    client.append(b"INBOX", b"Subject: one of many\r\n\r\n" + b"x" * size)
    client.ok(b"SELECT INBOX")
    count = 1
    while count < messages:
        more = min(count, messages - count)
        client.ok(b"COPY 1:%d INBOX" % more)
        count += more
    client.close()


def test_clients_that_fetch_everything_and_read_slowly(
    found: Cluster, length: Callable[..., float], record: Callable[..., None]
) -> None:
    node, address, other = found.nodes[0], found.account(), found.account()
    messages, clients = int(length(2000, 10_000)), 10
    fill(node, address, messages, 8000)
    node.imap(other).close()

    with Growth(node.pid("accessd")) as growth, Healthy(node, other) as healthy:
        slow = [node.imap(address) for _ in range(clients)]
        for client in slow:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            client.ok(b"SELECT INBOX")
            client.send(b"f FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])\r\n")
        ends_at = time.monotonic() + length(4, 60)
        while time.monotonic() < ends_at:
            for client in slow:
                assert client.socket.recv(1024)
            time.sleep(0.2)
    for client in slow:
        client.close()

    assert growth.bytes <= clients * 8 * MIB, growth.mib
    latency = healthy.assert_served()
    record(
        7,
        "clients that read slowly",
        clients=clients,
        messages=messages,
        growth_mib_each=round(growth.mib / clients, 1),
        **latency,
    )


def dribble(sockets: list[socket.socket], seconds: float, every_s: float) -> None:
    """One octet on every connection, again and again."""
    ends_at, text = time.monotonic() + seconds, b"A" * 1000
    for octet in text:
        for sock in sockets:
            with contextlib.suppress(ConnectionError):
                sock.send(bytes([octet]))
        if time.monotonic() > ends_at:
            return
        time.sleep(every_s)


def test_slow_loris(found: Cluster, length: Callable[..., float], record: Callable[..., None]) -> None:
    node, address = found.nodes[0], found.account()
    each, seconds = int(length(300, 1000)), length(4, 60)
    pids = [node.pid("smtpd"), node.pid("accessd")]
    node.imap(address).close()

    with Growth(*pids) as growth, contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for port in (node.smtp_port, node.imap_port, node.pop3_port)
            for _ in range(each)
        ]
        for sock in sockets:
            assert sock.recv(200), "every one is greeted"
        with Healthy(node, address) as healthy:
            dribble(sockets, seconds, every_s=1.0)

    per_connection_kib = growth.bytes / len(sockets) / 1024
    assert per_connection_kib < 32, per_connection_kib
    latency = healthy.assert_served()
    record(7, "slow loris", connections=len(sockets), kib_each=round(per_connection_kib, 1), **latency)


PIPELINED = {
    "smtp": (b"EHLO x\r\n", b"RSET\r\n"),
    "smtp rcpt": (b"EHLO x\r\nMAIL FROM:<a@there.test>\r\n", b"RCPT TO:<nobody@nodes.test>\r\n"),
    "imap": (b"", b"a NOOP\r\n"),
    "imap bad": (b"", b"a NONSENSE\r\n"),
    "imap capability": (b"", b"a CAPABILITY\r\n"),
    "pop3": (b"", b"CAPA\r\n"),
}


def flood(port: int, first: bytes, command: bytes, seconds: float) -> int:
    """Commands without end and without reading. Returns how many octets the server took."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.recv(500)
    taken, block, ends_at = 0, command * (65536 // len(command)), time.monotonic() + seconds
    with sock, contextlib.suppress(OSError):
        sock.sendall(first)
        if first:
            time.sleep(0.2)
        sock.settimeout(0.2)
        while time.monotonic() < ends_at:
            with contextlib.suppress(TimeoutError):
                taken += sock.send(block)
    return taken


@pytest.mark.parametrize("way", PIPELINED)
def test_pipelining_without_reading_replies(
    found: Cluster, way: str, length: Callable[..., float], record: Callable[..., None]
) -> None:
    node, address, clients = found.nodes[0], found.account(), 5
    first, command = PIPELINED[way]
    protocol = way.split()[0]
    port = {"smtp": node.smtp_port, "imap": node.imap_port, "pop3": node.pop3_port}[protocol]
    node.imap(address).close()

    with Growth(node.pid("smtpd" if protocol == "smtp" else "accessd")) as growth, Healthy(node, address) as healthy:
        floods = [
            threading.Thread(target=flood, args=(port, first, command, length(1.5, 20)), daemon=True)
            for _ in range(clients)
        ]
        for thread in floods:
            thread.start()
        for thread in floods:
            thread.join(60)
        wait_until(lambda: len(healthy.waited) >= 8 or healthy.error, seconds=30, what="the healthy are served")

    assert growth.bytes < clients * 4 * MIB, growth.mib
    latency = healthy.assert_served()
    record(7, f"pipelining without reading, {way}", growth_mib_each=round(growth.mib / clients, 1), **latency)
