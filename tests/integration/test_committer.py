"""The process that commits beside smtpd: it may die at any time, and never outlives its smtpd for long."""

import os
import signal
import time
from pathlib import Path

import psycopg
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


SLOW_COMMIT = """
CREATE FUNCTION wait_a_little() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON mailbox DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait_a_little();
"""
COMMITTING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


def test_one_that_dies_while_the_database_commits_defers_the_batch_and_does_not_try_again(smtp):
    """Found by kill -9: what was committed all the same was in the mailbox twice, and no client had sent it twice."""
    alice, bob = smtp.account(), smtp.account()
    smtp.execute(SLOW_COMMIT)
    clients = a_batch(smtp, alice, bob)

    wait_until(lambda: smtp.execute(COMMITTING), seconds=5, what="the database is committing")
    os.kill(committer_of(smtp), signal.SIGKILL)

    assert {client.reply()[:9] for client in clients} == {b"451 4.3.0"}
    wait_until(lambda: not smtp.execute(COMMITTING), seconds=5)
    assert send(smtp, bob, b"later") == b"250"
    assert len(smtp.messages(bob)) == len(clients) + 1


def test_one_that_dies_before_that_has_its_batch_tried_once_more(smtp):
    alice, bob = smtp.account(), smtp.account()
    assert send(smtp, bob, b"first") == b"250"
    with psycopg.connect(smtp.database_url) as conn:
        conn.execute(
            "SELECT 1 FROM mailbox JOIN account ON account.id = account_id WHERE address = %s FOR UPDATE", [bob]
        )
        clients = a_batch(smtp, alice, bob)
        wait_until(lambda: smtp.execute(WAITING), seconds=5, what="the committer waits for the mailbox")
        os.kill(committer_of(smtp), signal.SIGKILL)

    assert {client.reply()[:3] for client in clients} == {b"250"}
    assert len(smtp.messages(bob)) == len(clients) + 1


def a_batch(smtp, first, others):
    """A message to `first`; while that is committed, four to `others` have gathered, and are the next batch now."""
    clients = [smtp.hello() for _ in range(5)]
    for client in clients:
        client.say(b"MAIL FROM:<a@b.example>")
        client.say(b"RCPT TO:<" + (first if client is clients[0] else others).encode() + b">")
        client.say(b"DATA")
    os.kill(committer_of(smtp), signal.SIGSTOP)
    for client in clients:
        client.send(b"Subject: one of five\r\n\r\n.\r\n")
        time.sleep(0.1)  # so that it is the first that is alone
    os.kill(committer_of(smtp), signal.SIGCONT)
    assert clients[0].reply()[:3] == b"250"
    return clients[1:]


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
