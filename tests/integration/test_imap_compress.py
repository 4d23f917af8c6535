"""COMPRESS=DEFLATE (RFC 4978) on a real accessd: a client that compresses, one that sends too much, and imaplib."""

import imaplib
import random
import zlib
from pathlib import Path

import pytest

from tests.integration.imap_server import PASSWORD, RawClient
from tests.integration.imap_server import imap_process_of_module as imap_process_of_module
from tests.integration.imap_server import imap_server as imap_server

MESSAGE = b"Subject: much of the same\r\n\r\n" + b"The same line again and again.\r\n" * 40_000


class DeflateSocket:
    """A socket that speaks deflate streams. `received` counts the octets on the wire."""

    def __init__(self, plain, *, window_bits=-15):
        self.plain, self.received = plain, 0
        self.deflater = zlib.compressobj(9, zlib.DEFLATED, window_bits)
        self.inflater = zlib.decompressobj(-15)

    def sendall(self, data):
        self.plain.sendall(self.compressed(data))

    def compressed(self, data):
        return self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH)

    def recv(self, size):
        while True:
            data = self.plain.recv(size)
            self.received += len(data)
            inflated = self.inflater.decompress(data)
            if inflated or not data:
                return inflated

    def close(self):
        self.plain.close()


def compressing(client: RawClient, **how) -> RawClient:
    assert client.command(b"COMPRESS DEFLATE").tagged.endswith(b"OK Compression begins now\r\n")
    client.socket = DeflateSocket(client.socket, **how)
    return client


def test_it_is_offered_after_login_once(imap):
    client = imap.connect()

    before = client.ok(b"CAPABILITY").text
    refused = client.command(b"COMPRESS DEFLATE")
    logged_in = client.ok(f'LOGIN {imap.account()} "{PASSWORD}"'.encode())
    unknown = client.command(b"COMPRESS LZW")
    compressing(client)
    second = client.command(b"COMPRESS DEFLATE")
    after = client.ok(b"CAPABILITY").text
    starttls = client.command(b"STARTTLS")

    assert b"COMPRESS" not in before and b"COMPRESS" not in after
    assert b"COMPRESS=DEFLATE" in logged_in.tagged
    assert refused.status == unknown.status == starttls.status == "BAD"
    assert b" NO [COMPRESSIONACTIVE] " in second.tagged
    client.ok(b"NOOP")


@pytest.mark.parametrize("window_bits", [-9, -15])
def test_messages_go_both_ways_in_few_octets(imap, window_bits):
    client = compressing(imap.login(imap.account()), window_bits=window_bits)

    assert client.append(b"INBOX", MESSAGE).status == "OK"
    client.ok(b"SELECT INBOX")
    fetched = client.ok(b"FETCH 1 BODY.PEEK[]").text

    assert MESSAGE in fetched
    assert client.socket.received < len(MESSAGE) / 20


def test_what_does_not_compress_arrives_too(imap):
    noise = b"Subject: noise\r\n\r\n" + random.Random(1).randbytes(300_000).hex().encode() + b"\r\n"
    client = compressing(imap.login(imap.account()))

    client.append(b"INBOX", noise)
    client.ok(b"SELECT INBOX")

    assert noise in client.ok(b"FETCH 1 BODY.PEEK[]").text


def test_what_comes_in_the_packet_of_the_command_is_the_beginning_of_the_stream(imap):
    client = imap.login(imap.account())
    plain = client.socket
    client.socket = DeflateSocket(plain)

    plain.sendall(b"c COMPRESS DEFLATE\r\n" + client.socket.compressed(b"d NOOP\r\ne SELECT INBOX\r\n"))

    client._buffer = b""
    ok = b""
    while not ok.endswith(b"\r\n"):
        ok += plain.recv(1)
    assert ok == b"c OK Compression begins now\r\n"
    assert client.read_answer(b"d").status == client.read_answer(b"e").status == "OK"


def test_commands_in_the_clear_behind_it_are_not_run(imap):
    client = imap.login(imap.account())
    plain = client.socket

    plain.sendall(b"c COMPRESS DEFLATE\r\nd CREATE smuggled\r\n")
    ok = b""
    while not ok.endswith(b"\r\n"):
        ok += plain.recv(1)
    client.socket = DeflateSocket(plain)

    assert client.read_line() == b"* BYE Damaged compressed data\r\n"
    with pytest.raises(ConnectionError):
        client.read_line()


def test_a_stream_may_come_octet_by_octet(imap):
    client = compressing(imap.login(imap.account()))

    for octet in client.socket.compressed(b'x LIST "" *\r\ny NOOP\r\n'):
        client.socket.plain.sendall(bytes([octet]))

    assert b"INBOX" in client.read_answer(b"x").text
    assert client.read_answer(b"y").status == "OK"


def test_news_in_idle_are_flushed(imap):
    address = imap.account()
    idler, other = compressing(imap.login(address)), imap.login(address)
    idler.ok(b"SELECT INBOX")
    idler.send(b"i IDLE\r\n")
    assert idler.read_line().startswith(b"+ ")

    other.append(b"INBOX", b"Subject: news\r\n\r\n")

    assert idler.read_line() == b"* 1 EXISTS\r\n"
    idler.send(b"DONE\r\n")
    assert idler.read_answer(b"i").status == "OK"


def test_a_bomb_ends_the_session_and_fills_no_memory(imap):
    """One line of 64 MiB in 64 KiB."""
    client = compressing(imap.login(imap.account()))
    status = Path(f"/proc/{imap.process.pid}/status")
    before = peak_kib(status)
    deflater = client.socket.deflater
    zeros = b"A" * (1 << 20)
    bomb = b"".join(deflater.compress(zeros) for _ in range(64)) + deflater.flush()

    with pytest.raises(ConnectionError):
        send_until_the_end(client, bomb)

    assert peak_kib(status) - before < 20_000
    imap.login(imap.account()).ok(b"NOOP")


def send_until_the_end(client, data):
    client.socket.plain.sendall(data)
    while True:
        client.read_line()


def peak_kib(status):
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


class CompressedImap(imaplib.IMAP4):
    """imaplib over a deflate stream: all it reads goes through `read` and `readline`."""

    def compress(self):
        typ, _ = self._simple_command("COMPRESS", "DEFLATE")
        assert typ == "OK"
        self.wire, self.pending = DeflateSocket(self.sock), b""

    def send(self, data):
        (self.wire if hasattr(self, "wire") else self.sock).sendall(data)

    def read(self, size):
        if not hasattr(self, "wire"):
            return super().read(size)
        while len(self.pending) < size:
            self.pending += self.wire.recv(65536)
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def readline(self):
        if not hasattr(self, "wire"):
            return super().readline()
        while b"\n" not in self.pending:
            self.pending += self.wire.recv(65536)
        line, _, self.pending = self.pending.partition(b"\n")
        return line + b"\n"


def test_imaplib_compresses(imap, monkeypatch):
    monkeypatch.setitem(imaplib.Commands, "COMPRESS", ("AUTH", "SELECTED"))
    client = CompressedImap("127.0.0.1", imap.port, timeout=20)
    client.login(imap.account(), PASSWORD)
    client.compress()

    assert client.append("INBOX", None, None, MESSAGE)[0] == "OK"
    assert client.select("INBOX")[1] == [b"1"]
    assert client.fetch("1", "(BODY.PEEK[])")[1][0][1] == MESSAGE
    assert client.search(None, "SUBJECT", "same")[1] == [b"1"]
    client.logout()
