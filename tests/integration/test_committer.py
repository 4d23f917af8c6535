"""The process that commits beside smtpd: it may die at any time, and never outlives its smtpd for long."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import run_server

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def smtp(servers, tmp_path):
    yield from run_server(servers, tmp_path / "home")


def committer_of(smtp):
    """The one child of smtpd that commits; None while there is none."""
    pid = smtp.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in children if b"smtpd.committer" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return found[0] if found else None


def is_alive(pid):
    """While one thread of it is not dead its socket is open, though the process itself counts as a zombie before."""
    process = Path(f"/proc/{pid}")
    try:
        is_zombie = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not is_zombie or len(list((process / "task").iterdir())) > 1
    except FileNotFoundError:
        return False


def send(smtp, address, text):
    client = smtp.hello()
    assert client.code(b"MAIL FROM:<a@b.example>") == b"250"
    assert client.code(b"RCPT TO:<" + address.encode() + b">") == b"250"
    assert client.code(b"DATA") == b"354"
    return client.code(b"Subject: " + text + b"\r\n\r\n.")


def journals(smtp):
    return [path.name for path in (smtp.home / "spool" / "journal").iterdir()]


def test_one_that_died_idle_is_replaced_and_no_client_notices(smtp):
    alice = smtp.account()
    first = committer_of(smtp)

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first), seconds=5)

    assert send(smtp, alice, b"one") == b"250"
    assert committer_of(smtp) not in (first, None)
    assert len(smtp.messages(alice)) == 1
    assert len(journals(smtp)) == 1, "the journal of the dead was not recovered"


def test_one_that_dies_with_a_batch_in_its_hands_defers_it(smtp):
    alice = smtp.account()
    first = committer_of(smtp)
    os.kill(first, signal.SIGSTOP)
    client = smtp.hello()
    client.say(b"MAIL FROM:<a@b.example>")
    client.say(b"RCPT TO:<" + alice.encode() + b">")
    client.say(b"DATA")
    client.send(b"Subject: one\r\n\r\n.\r\n")
    time.sleep(0.3)  # it lies there now

    os.kill(first, signal.SIGKILL)

    assert client.reply().startswith(b"451 4.3.")
    assert smtp.messages(alice) == []
    assert send(smtp, alice, b"again") == b"250"
    assert len(smtp.messages(alice)) == 1


def test_it_ends_when_its_smtpd_is_killed(smtp):
    alice = smtp.account()
    assert send(smtp, alice, b"one") == b"250"
    committer = committer_of(smtp)

    smtp.process.kill()
    smtp.process.wait(5)

    wait_until(lambda: not is_alive(committer), seconds=10, what="the committer ends")
    assert journals(smtp) == []
    smtp.process.returncode = 0


def test_a_signal_to_both_lets_what_was_received_be_committed(smtp):
    alice = smtp.account()
    client = smtp.hello()
    client.say(b"MAIL FROM:<a@b.example>")
    client.say(b"RCPT TO:<" + alice.encode() + b">")
    client.say(b"DATA")
    committer = committer_of(smtp)

    for pid in (smtp.process.pid, committer):
        os.kill(pid, signal.SIGTERM)

    assert client.code(b"Subject: last\r\n\r\n.") == b"250"
    assert smtp.process.wait(10) == 0
    assert not is_alive(committer)
    assert len(smtp.messages(alice)) == 1
    assert journals(smtp) == []


def test_a_batch_larger_than_the_memory_that_is_kept(smtp):
    alice = smtp.account()
    clients = [smtp.hello() for _ in range(45)]
    for client in clients:
        client.say(b"MAIL FROM:<a@b.example>")
        client.say(b"RCPT TO:<" + alice.encode() + b">")
        client.say(b"DATA")
    os.kill(committer_of(smtp), signal.SIGSTOP)
    text = (b"x" * 70 + b"\r\n") * 1_700
    for number, client in enumerate(clients):
        client.send(b"Subject: %d\r\n\r\n" % number + text + b".\r\n")
    time.sleep(0.5)

    os.kill(committer_of(smtp), signal.SIGCONT)

    assert {client.reply()[:3] for client in clients} == {b"250"}
    assert sorted(message.count(b"x" * 70) for message in smtp.messages(alice)) == [1_700] * 45
