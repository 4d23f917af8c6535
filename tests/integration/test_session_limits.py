"""What one session may use of the server, each with the exact answer: command, literal, time, memory.

Connections are in test_access_limits.py and test_client_sessions.py.
"""

import asyncio
import contextlib
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from accessd.connection import Connection
from accessd.imap.command_limits import BEFORE_LOGIN, LINE_BYTES, LITERAL_BYTES
from accessd.imap.serving import serve
from accessd.imap.session import ImapSession
from accessd.imap.transitions import AUTHENTICATED_IDLE_LIMIT_S
from accessd.limits import ConnectionLimits
from accessd.listener import IDLE_LIMIT_S, Listener
from accessd.pop3.session import Pop3Session
from accessd.settings import Endpoint
from accessd.tally import Tally
from mailcore.config.snapshot import Snapshot
from mailcore.tls import Certificate
from tests.fixtures_servers import choose_free_port
from tests.integration.imap_server import imap_process_of_module as imap_process_of_module
from tests.integration.imap_server import imap_server as imap_server

SILENT_SESSIONS = 10
# What is read and not yet run, what is answered and not yet taken (256 and 512 KiB, accessd.connection), a line of a
# command, a block of a message: with what Python needs to move them around, each less than this.
MOST_KIB = 2048


@pytest.mark.parametrize(("logged_in", "limit"), [(False, BEFORE_LOGIN.line_bytes), (True, LINE_BYTES)])
def test_a_command_line_is_so_long_and_no_longer(imap, logged_in, limit):
    client = imap.login(imap.account()) if logged_in else imap.connect()
    longest = b"a X".ljust(limit, b"x")

    client.send(longest + b"\r\n" + longest + b"x\r\nb NOOP\r\n")

    assert client.read_line() == b"a BAD Unknown command\r\n"
    assert client.read_line() == b"a BAD Command line too long\r\n"
    assert client.read_answer(b"b").status == "OK"


def test_a_literal_before_login_is_so_large_and_no_larger(imap):
    client, limit = imap.connect(), BEFORE_LOGIN.literal_bytes

    client.send(b"a LOGIN {%d}\r\n" % limit)
    assert client.read_line().startswith(b"+ ")
    client.send(b"u" * limit + b" x\r\n")
    assert client.read_line() == b"a NO [AUTHENTICATIONFAILED] Authentication failed\r\n"

    client.send(b"b LOGIN {%d}\r\nc NOOP\r\n" % (limit + 1))
    assert client.read_line() == b"b BAD Literal too long\r\n"
    assert client.read_answer(b"c").status == "OK"

    client.send(b"d LOGIN {%d+}\r\n%b x\r\ne NOOP\r\n" % (limit + 1, b"u" * (limit + 1)))
    assert client.read_line() == b"d BAD Literal too long\r\n"
    assert client.read_answer(b"e").status == "OK"


def test_the_literals_of_a_command_are_so_large_and_no_larger(imap):
    client = imap.login(imap.account())
    client.ok(b"SELECT INBOX")
    half = LITERAL_BYTES // 2

    client.send(b"a SEARCH SUBJECT {%d+}\r\n%b SUBJECT {%d+}\r\n%b\r\n" % (half, b"x" * half, half, b"x" * half))
    assert client.read_answer(b"a").status == "OK"

    client.send(b"b SEARCH SUBJECT {%d+}\r\n%b SUBJECT {%d}\r\nc NOOP\r\n" % (half, b"x" * half, half + 1))
    assert client.read_line() == b"b BAD Literal too long\r\n"
    assert client.read_answer(b"c").status == "OK"


@contextlib.asynccontextmanager
async def one_client(folder, protocol):
    """A session of that protocol that nobody has logged in to: (listener, connection, reader)."""
    config = Snapshot()
    limits = ConnectionLimits(Tally(folder), lambda: config, most=10)
    context = SimpleNamespace(config=SimpleNamespace(current=lambda: config), limits=limits)

    async def start(connection: Connection) -> None:
        if protocol == "imap":
            await serve(ImapSession(context, connection))
        else:
            await Pop3Session(context).run(connection)

    port, no_file = choose_free_port(), Path("/nonexistent")
    listener = Listener(
        ("127.0.0.1",),
        [Endpoint(protocol, port, False)],
        Certificate(no_file, no_file),
        {protocol: start},
        limits,
        trusts_balancer=bool,
    )
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readline()
        (connection,) = listener.connections
        yield listener, connection, reader
    finally:
        writer.close()
        await listener.stop_accepting()
        limits.close()


@pytest.mark.parametrize(
    ("protocol", "logged_in", "limit_s", "answer"),
    [
        ("imap", False, 180, b"* BYE Idle for too long\r\n"),
        ("imap", True, 31 * 60, b"* BYE Idle for too long\r\n"),
        ("pop3", False, 600, b"-ERR [SYS/TEMP] Idle for too long\r\n"),
    ],
)
def test_a_session_is_silent_so_long_and_no_longer(tmp_path, protocol, logged_in, limit_s, answer):
    async def dialogue():
        async with one_client(tmp_path, protocol) as (listener, connection, reader):
            if logged_in:
                connection.idle_limit_s = AUTHENTICATED_IDLE_LIMIT_S
            assert connection.idle_limit_s == limit_s
            listener.sweep(connection.last_active + limit_s)
            said_early = connection.farewell
            listener.sweep(connection.last_active + limit_s + 1)
            return said_early, await reader.read()

    assert asyncio.run(dialogue()) == ("", answer)
    assert set(IDLE_LIMIT_S) == {"imap", "pop3"}


def test_clients_that_never_read_cost_a_bounded_memory_each(imap):
    """They ask for what they do not take, and for more, for as long as the server takes it."""
    account = imap.account()
    reader = imap.login(account)
    reader.append(b"INBOX", b"Subject: large\r\n\r\n" + b"x" * 998 + b"\r\n" * 1_000_000)
    reader.ok(b"SELECT INBOX")
    reader.ok(b"FETCH 1 BODY.PEEK[]")
    before = resident_kib(imap.process.pid)

    taken = [fill(imap.login(account)) for _ in range(SILENT_SESSIONS)]

    assert max(taken) < 16 << 20, "the server reads on although its answers are not taken"
    assert (resident_kib(imap.process.pid) - before) / SILENT_SESSIONS < MOST_KIB
    assert reader.ok(b"NOOP")


def fill(client):
    """Send until the server takes no more. Returns how many octets it took."""
    client.ok(b"SELECT INBOX")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    client.socket.settimeout(0.15)
    sent, commands = 0, b"".join(b"a%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(4_000))
    with contextlib.suppress(TimeoutError):
        while sent < 64 << 20:
            sent += client.socket.send(commands)
    return sent


def resident_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
