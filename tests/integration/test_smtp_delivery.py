"""Mail through real sockets into real mailboxes and the queue."""

import re
import smtplib
import time
from pathlib import Path

import psycopg
import pytest
import redis

from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import DOMAIN, PASSWORD, STRANGER, smtp_server

__all__ = ["smtp_server"]


def client_of(smtp, port=None):
    return smtplib.SMTP("127.0.0.1", port or smtp.port, local_hostname="client.test", timeout=20)


def test_smtplib_delivers(smtp):
    alice, bob = smtp.account(), smtp.account()

    with client_of(smtp) as client:
        assert client.sendmail("a@sender.example", [alice, bob], b"Subject: one\r\n\r\n.dot\r\nend\r\n") == {}

    for address in (alice, bob):
        [message] = smtp.messages(address)
        assert message.startswith(
            b"Return-Path: <a@sender.example>\nReceived: from client.test (localhost [127.0.0.1])"
        )
        assert message.endswith(b"Subject: one\n\n.dot\nend\n")
        assert b"\r" not in message


def test_rows_and_counters_are_written_with_the_message(smtp):
    alice = smtp.account()
    with client_of(smtp) as client:
        client.sendmail("a@sender.example", [alice], b"Subject: row\r\n\r\nx\r\n")

    [(uid, size, disk)] = smtp.execute(
        "SELECT m.uid, m.size, b.messages FROM message m JOIN mailbox b ON b.id = m.mailbox_id"
        " JOIN account a ON a.id = b.account_id WHERE a.address = %s AND b.name = 'INBOX'",
        (alice,),
    )
    assert (uid, disk) == (1, 1)
    assert size == len(smtp.messages(alice)[0].replace(b"\n", b"\r\n"))


def test_an_mbox_account(smtp):
    bob = smtp.account(store="mbox")
    with client_of(smtp) as client:
        client.sendmail("a@sender.example", [bob], b"Subject: box\r\n\r\nFrom here\r\n")

    mbox = smtp.home / "mail" / DOMAIN / bob.split("@")[0] / "mbox" / "INBOX"
    assert b"Subject: box\n\n>From here\n" in mbox.read_bytes()


def test_a_relayed_message_is_in_the_queue_when_250_is_said(smtp):
    with client_of(smtp) as client:
        client.ehlo()
        client.mail("a@smtp.test", ["RET=HDRS", "ENVID=E1"])
        client.rcpt("x@elsewhere.example", ["NOTIFY=FAILURE", "ORCPT=rfc822;y@z"])
        code, text = client.data(b"Subject: out\r\n\r\nx\r\n")

    assert code == 250
    queue_id = text.decode().rpartition(" ")[2]
    [row] = smtp.execute(
        "SELECT m.sender, m.envid, m.ret, r.address, r.orcpt, m.content_offset FROM queue_message m"
        " JOIN queue_recipient r ON r.message_id = m.id WHERE m.queue_id = %s",
        (queue_id,),
    )
    assert row[:5] == ("a@smtp.test", "E1", "HDRS", "x@elsewhere.example", "rfc822;y@z")
    [path] = smtp.home.glob(f"spool/queue/*/{queue_id}")
    content = path.read_bytes()
    assert content[row[5] :].startswith(b"Received: ")
    assert b"\nMessage-ID: <" in content


def test_an_alias_leads_here_and_elsewhere(smtp):
    alice = smtp.account()
    sales = smtp.alias(f"sales@{DOMAIN}", alice, "carol@elsewhere.example")
    with client_of(smtp) as client:
        client.sendmail("a@sender.example", [sales], b"Subject: both\r\n\r\n")

    assert len(smtp.messages(alice)) == 1
    assert smtp.execute("SELECT original FROM queue_recipient WHERE address = 'carol@elsewhere.example'") == [(sales,)]


def test_pipelining_on_the_wire(smtp):
    alice = smtp.account().encode()
    client = smtp.hello()

    client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + alice + b">\r\nRCPT TO:<ghost@smtp.test>\r\nDATA\r\n")
    assert [client.reply()[:3] for _ in range(4)] == [b"250", b"250", b"550", b"354"]
    client.send(b"Subject: p\r\n\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
    assert [client.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"221"]
    assert client.is_closed()


def test_bdat_on_the_wire(smtp):
    alice = smtp.account()
    client = smtp.hello()

    client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + alice.encode() + b">\r\n")
    client.send(b"BDAT 13\r\nSubject: c\r\n\r" + b"BDAT 6 LAST\r\n\n.\r\n\r\n")
    assert [client.reply()[:3] for _ in range(4)] == [b"250"] * 4
    assert smtp.messages(alice)[0].endswith(b"Subject: c\n\n.\n\n")


def test_a_half_closed_connection_still_gets_its_replies(smtp):
    client = smtp.connect()

    client.send(b"QUIT\r\n")
    client.socket.shutdown(1)

    assert client.reply()[:3] == b"221"


def test_big_messages_need_little_memory(smtp):
    alice = smtp.account()
    line = b"x" * 74 + b"\r\n"
    message = b"Subject: big\r\n\r\n" + line * 200_000
    before = resident_kib(smtp)

    clients = [smtp.hello() for _ in range(4)]
    for client in clients:
        client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + alice.encode() + b">\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
    peak = before
    for start in range(0, len(message), 1 << 20):
        for client in clients:
            client.send(message[start : start + (1 << 20)])
        peak = max(peak, resident_kib(smtp))
    for client in clients:
        assert client.code(b".") == b"250"

    assert peak - before < 16_000
    assert all(text.endswith(line.replace(b"\r\n", b"\n") * 3) for text in smtp.messages(alice))
    assert list((smtp.home / "spool" / "incoming").iterdir()) == []


def resident_kib(smtp):
    status = Path(f"/proc/{smtp.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def test_a_message_over_the_limit_is_refused_after_swallowing(smtp):
    alice = smtp.account()
    with client_of(smtp) as client:
        client.ehlo()
        client.mail("a@b.example")
        client.rcpt(alice)
        assert client.data(b"x: y\r\n\r\n" + (b"z" * 70 + b"\r\n") * 300_000)[0] == 552
        assert client.noop()[0] == 250
    assert smtp.messages(alice) == []


def test_a_full_mailbox(smtp):
    alice = smtp.account(quota_bytes=2000)
    with client_of(smtp) as client:
        client.ehlo()
        assert client.mail("a@b.example", ["SIZE=3000"])[0] == 250
        assert client.rcpt(alice) == (552, b"5.2.2 Message is larger than the mailbox may ever hold")
        client.rset()
        client.sendmail("a@b.example", [alice], b"x: y\r\n\r\n" + b"z" * 1500 + b"\r\n")
        client.mail("a@b.example", ["SIZE=1000"])
        wait_until(lambda: client.rcpt(alice) == (452, b"4.2.2 Mailbox full"), seconds=4)


def test_what_happened_is_in_the_trace_and_the_maillog(smtp):
    alice = smtp.account()
    with client_of(smtp) as client:
        client.ehlo()
        client.mail("traced@sender.example")
        client.rcpt(alice)
        queue_id = client.data(b"Subject: t\r\n\r\n")[1].decode().rpartition(" ")[2]
    stranger = smtp.hello(STRANGER)
    stranger.say(b"MAIL FROM:<spam@sender.example>")
    stranger.say(b"RCPT TO:<victim@elsewhere.example>")

    def kinds():
        return smtp.execute("SELECT kind FROM trace_event WHERE queue_id = %s ORDER BY id", (queue_id,))

    wait_until(lambda: kinds() == [("accepted",), ("delivered",)], seconds=3)
    refused = "SELECT rule, reply, host(client_address) FROM trace_event WHERE recipient = 'victim@elsewhere.example'"
    wait_until(lambda: smtp.execute(refused) != [], seconds=3)
    assert smtp.execute(refused) == [("refuse_open_relay", "554 5.7.1 Relay access denied", STRANGER)]
    maillog = (smtp.home / "log" / "maillog").read_text()
    assert f"{queue_id}: from=<traced@sender.example>" in maillog
    assert "NOQUEUE: reject: RCPT from localhost[127.0.0.2]: 554 5.7.1" in maillog


def test_a_change_of_mynetworks_is_in_force_within_a_second(smtp):
    client = smtp.hello(STRANGER)

    def rcpt_in_a_new_transaction():
        client.say(b"RSET")
        client.say(b"MAIL FROM:<a@b.example>")
        return client.code(b"RCPT TO:<x@elsewhere.example>")

    assert rcpt_in_a_new_transaction() == b"554"
    smtp.execute(
        "INSERT INTO my_network (cidr, note, enabled, open_relay_confirmation) VALUES ('127.0.0.2/32', '', true, '')"
    )
    wait_until(lambda: rcpt_in_a_new_transaction() == b"250", seconds=1.0)
    smtp.execute("DELETE FROM my_network WHERE cidr = '127.0.0.2/32'")
    wait_until(lambda: rcpt_in_a_new_transaction() == b"554", seconds=1.0)


def test_a_new_account_exists_at_once(smtp):
    client = smtp.hello()
    client.say(b"MAIL FROM:<a@b.example>")
    assert client.code(b"RCPT TO:<later@smtp.test>") == b"550"

    smtp.alias(f"later@{DOMAIN}", "x@elsewhere.example")

    wait_until(lambda: client.code(b"RCPT TO:<later@smtp.test>") == b"250", seconds=1.0)


def test_the_process_reports_itself(smtp):
    generation = smtp.execute("SELECT generation FROM config_generation")[0][0]
    query = "SELECT pid, generation, listening FROM process_status WHERE role = 'smtpd'"

    wait_until(lambda: [row[1] for row in smtp.execute(query)] == [generation], seconds=3)
    [(pid, _, listening)] = smtp.execute(query)
    assert pid == smtp.process.pid
    ports = {"mx": smtp.port, "submission": smtp.submission_port, "submissions": smtp.submissions_port}
    assert listening == [f"{name} 127.0.0.1:{port}" for name, port in ports.items()]


def test_who_is_waiting_hears_of_it(smtp):
    alice = smtp.account()
    with redis.Redis.from_url(smtp.environment["REDIS_URL"]) as client, client.pubsub() as news:
        news.subscribe("mailbox", "queue")
        wait_until(lambda: len(news.channels) == 2 and news.get_message() is None, seconds=5)
        with client_of(smtp) as sender:
            sender.sendmail("a@smtp.test", [alice, "x@elsewhere.example"], b"Subject: news\r\n\r\n")
        heard = {}

        def both():
            message = news.get_message(timeout=0.1)
            if message and message["type"] == "message":
                heard[message["channel"].decode()] = message["data"].decode()
            return len(heard) == 2

        wait_until(both, seconds=5)
    query = "SELECT b.id FROM mailbox b JOIN account a ON a.id = b.account_id WHERE b.name = 'INBOX' AND a.address = %s"
    assert heard["mailbox"] == str(smtp.execute(query, (alice,))[0][0])


def test_a_file_in_the_maildrop_is_delivered(smtp):
    alice = smtp.account()
    name = smtp.home / "maildrop" / "new" / f"{time.time_ns()}"
    temporary = smtp.home / "maildrop" / "tmp" / name.name
    temporary.write_bytes(
        b'{"sender":"root","recipients":["' + alice.encode() + b'"],"options":{}}\nSubject: cron\n\nhi\n'
    )
    temporary.rename(name)

    wait_until(lambda: len(smtp.messages(alice)) == 1, seconds=5)
    assert smtp.messages(alice)[0].startswith(b"Return-Path: <root@smtp.test>\n")
    wait_until(lambda: not name.exists(), seconds=5)


@pytest.mark.parametrize("implicit", [False, True])
def test_submission_with_a_password(smtp, implicit):
    alice = smtp.account()
    context = smtp.client_context()
    if implicit:
        client = smtplib.SMTP_SSL("127.0.0.1", smtp.submissions_port, context=context, timeout=20)
    else:
        client = client_of(smtp, smtp.submission_port)
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH PLAIN AGEAYg==")[0] == 538
        assert client.docmd("MAIL FROM:<a@b.example>") == (530, b"5.7.0 Must issue a STARTTLS command first")
        client.starttls(context=context)
    with client:
        client.ehlo()
        assert "starttls" not in client.esmtp_features
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(alice, "wrong")
        client.login(alice, PASSWORD)
        assert client.mail("somebody@smtp.test")[0] == 553
        client.sendmail(alice, [alice, "x@elsewhere.example"], b"Subject: sub\r\n\r\n")

    [message] = smtp.messages(alice)
    assert b"with ESMTPSA id" in message
    assert b"(using TLSv1.3 with cipher" in message
    assert f"(Authenticated sender: {alice})".encode() in message
    assert b"\nMessage-ID: <" in message


def test_the_database_pool_is_not_needed_for_what_is_known(smtp):
    with psycopg.connect(smtp.database_url, autocommit=True) as conn:
        alice = smtp.account()
        smtp.wait_for_configuration()
        client = smtp.hello()
        client.say(b"MAIL FROM:<a@b.example>")
        client.say(b"RCPT TO:<" + alice.encode() + b">")
        conn.execute("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        try:
            assert client.code(b"RCPT TO:<" + alice.encode() + b">") == b"250"
        finally:
            conn.execute("ROLLBACK")
