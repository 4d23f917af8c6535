"""What clients hear when something is away, and when the server is told to stop."""

import contextlib
import re
import signal
import smtplib
import socket
import threading
from urllib.parse import urlsplit

import pytest

from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import PASSWORD, launch, listens, run_server

pytestmark = pytest.mark.timeout(120)


class Proxy:
    """PostgreSQL behind a door that can be shut: what clients see while it is stopped, without stopping the others'."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.is_open = True
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.shut()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.is_open:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def shut(self):
        self.is_open = False
        for sock in list(self.sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self.sockets.clear()

    def open(self):
        self.is_open = True


@pytest.fixture
def proxy(servers):
    with Proxy(int(urlsplit(servers.postgres().url()).port)) as proxy:
        yield proxy


@pytest.fixture
def smtp(servers, proxy, tmp_path):
    yield from run_server(servers, tmp_path / "home", database_port=proxy.port)


def begin(smtp, recipient):
    client = smtp.hello()
    assert client.code(b"MAIL FROM:<a@b.example>") == b"250"
    return client, client.code(b"RCPT TO:<" + recipient.encode() + b">")


def test_without_a_database_every_answer_is_try_again(smtp, proxy):
    alice, bob = smtp.account(), smtp.account()
    client, code = begin(smtp, alice)
    assert code == b"250"

    proxy.shut()

    assert client.code(b"DATA") == b"354"
    assert client.say(b"Subject: x\r\n\r\n.")[:3] == b"451"
    _, unknown = begin(smtp, bob)
    assert unknown == b"451"
    proxy.open()
    wait_until(lambda: begin(smtp, bob)[1] == b"250", seconds=10)
    client, _ = begin(smtp, alice)
    client.say(b"DATA")
    assert client.say(b"Subject: back\r\n\r\n.")[:3] == b"250"
    assert [text.endswith(b"Subject: back\n\n") for text in smtp.messages(alice)] == [True]


def test_passwords_cannot_be_checked_without_a_database(smtp, proxy):
    alice = smtp.account()
    with smtplib.SMTP_SSL("127.0.0.1", smtp.submissions_port, context=smtp.client_context(), timeout=20) as client:
        proxy.shut()
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(alice, PASSWORD)
    assert refused.value.smtp_code == 454


def test_sigterm_lets_a_message_finish_and_says_421_to_the_rest(smtp):
    alice = smtp.account()
    idle = smtp.hello()
    busy, _ = begin(smtp, alice)
    busy.say(b"DATA")

    smtp.process.send_signal(signal.SIGTERM)

    assert idle.reply()[:3] == b"421"
    assert busy.code(b"Subject: last\r\n\r\n.") == b"250"
    assert busy.reply()[:3] == b"421"
    assert smtp.process.wait(timeout=10) == 0
    assert len(smtp.messages(alice)) == 1
    assert smtp.execute("SELECT count(*) FROM process_status WHERE role = 'smtpd'") == [(0,)]


def test_two_processes_share_the_ports(smtp):
    other = launch(smtp.home, smtp.environment, worker=2)
    try:
        query = "SELECT count(*) FROM process_status WHERE role = 'smtpd'"
        wait_until(lambda: smtp.execute(query) == [(2,)], seconds=20)
        smtp.process.send_signal(signal.SIGTERM)
        assert smtp.process.wait(timeout=10) == 0
        smtp.process = other

        assert smtp.hello().code(b"NOOP") == b"250"
    finally:
        if smtp.process is not other:
            other.kill()


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(smtp):
    alice = smtp.account()
    acknowledged = []

    def send(number):
        try:
            with smtplib.SMTP("127.0.0.1", smtp.port, timeout=20) as client:
                for n in range(200):
                    subject = f"{number}-{n}"
                    client.sendmail("a@b.example", [alice], f"Subject: {subject}\r\n\r\nx\r\n")
                    acknowledged.append(subject)
        except (OSError, smtplib.SMTPException):
            return

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 100, seconds=30)
    smtp.process.kill()
    smtp.process.wait()
    for thread in threads:
        thread.join()
    smtp.process = launch(smtp.home, smtp.environment)
    wait_until(lambda: listens(smtp.port), seconds=20)

    found = {re.search(rb"Subject: (\S+)", text)[1].decode() for text in smtp.messages(alice)}
    assert set(acknowledged) <= found
    assert all(text.endswith(b"\n\nx\n") for text in smtp.messages(alice))
