"""The dialogue command by command: order, syntax, extensions."""

import pytest

from mailcore.maillog import event as ev
from smtpd.protocol import ERROR_LIMIT
from tests.unit.smtpd.support import STRANGER, TRUSTED, Dialogue, a_snapshot

MAIL = b"MAIL FROM:<a@sender.example>\r\n"
RCPT = b"RCPT TO:<alice@example.org>\r\n"


def test_a_message_from_greeting_to_goodbye(site):
    client = Dialogue(site)

    assert client.greeting == b"220 mail.example.org ESMTP Mailkeep\r\n"
    assert client.code(b"EHLO client.example\r\n") == b"250"
    assert client.say(MAIL) == b"250 2.1.0 Ok\r\n"
    assert client.say(RCPT) == b"250 2.1.5 Ok\r\n"
    assert client.code(b"DATA\r\n") == b"354"
    reply = client.say(b"Subject: x\r\n\r\n..dot\r\n.\r\n")
    assert reply == f"250 2.0.0 Ok: queued as {site.mailboxes.arrivals[0].queue_id}\r\n".encode()
    assert client.say(b"QUIT\r\n") == b"221 2.0.0 Bye\r\n"
    assert client.is_closed
    assert site.mailboxes.contents[0].endswith(b"Subject: x\n\n.dot\n")


def test_ehlo_offers_what_is_there(site):
    lines = Dialogue(site).say(b"EHLO client.example\r\n").decode().splitlines()

    assert lines[0] == "250-mail.example.org"
    offered = {line[4:] for line in lines[1:]}
    assert offered == {"PIPELINING", "SIZE 52428800", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"}


def test_auth_is_offered_in_clear_only_where_plaintext_auth_allows_it(site):
    site.config.snapshot = a_snapshot(plaintext_auth="mynetworks")

    assert b"AUTH PLAIN LOGIN" in Dialogue(site, peer=TRUSTED).say(b"EHLO x\r\n")
    assert b"AUTH" not in Dialogue(site, peer=STRANGER).say(b"EHLO x\r\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"HELP", b"214"), (b"HELP MAIL", b"214"), (b"NOOP", b"250"), (b"NOOP x", b"250"), (b"RSET", b"250"),
        (b"RSET x", b"501"), (b"VRFY alice", b"252"), (b"VRFY", b"501"), (b"ETRN example.org", b"502"),
        (b"EXPN staff", b"502"), (b"EHLO", b"501"), (b"HELO a b", b"501"), (b"XYZZY", b"502"), (b"", b"502"),
        (b"RCPT TO:<alice@example.org>", b"503"), (b"DATA", b"503"), (b"STARTTLS", b"454"), (b"QUIT now", b"501"),
        (b"MAIL FROM:<a@b.example> FOO=1", b"555"), (b"MAIL FROM:<a@b.example> SIZE=x", b"501"),
        (b"MAIL FROM:a b", b"555"), (b"MAIL TO:<a@b.example>", b"501"), (b"NOOP \xff", b"500"), (b"NOOP a\rb", b"500"),
        (b"NOOP a\x00b", b"500"), (b"AUTH PLAIN", b"538"), (b"MAIL FROM:<\xc3\xa4@b.example>", b"553"),
    ],
)  # fmt: skip
def test_replies_outside_a_transaction(site, command, code):
    assert Dialogue(site).hello().code(command + b"\r\n") == code


def test_commands_out_of_order(site):
    client = Dialogue(site)

    assert client.code(MAIL) == b"503"
    client.hello()
    assert client.code(MAIL) == b"250"
    assert client.code(MAIL) == b"503"
    assert client.code(b"DATA\r\n") == b"503"
    assert client.code(b"RCPT TO:<nobody@example.org>\r\n") == b"550"
    assert client.say(b"DATA\r\n") == b"554 5.5.1 Error: no valid recipients\r\n"


def test_rset_and_ehlo_end_a_transaction(site):
    client = Dialogue(site).hello()

    client.say(MAIL, RCPT)
    assert client.code(b"RSET\r\n") == b"250"
    assert client.code(RCPT) == b"503"
    client.say(MAIL)
    client.hello()
    assert client.code(RCPT) == b"503"


def test_pipelined_commands_are_answered_in_one_write(site):
    client = Dialogue(site).hello()
    writes = []
    client.transport.write = writes.append

    client.say(MAIL + RCPT + b"RCPT TO:<nobody@example.org>\r\nDATA\r\n")

    assert [line[:3] for line in writes[0].splitlines()] == [b"250", b"250", b"550", b"354"]
    assert len(writes) == 1


@pytest.mark.parametrize(
    "early",
    [b"DATA\r\nSubject: early\r\n\r\n.\r\n", b"EHLO again\r\nMAIL FROM:<a@b.example>\r\n", b"NOOP\r\nNOOP\r\n",
     b"VRFY a\r\nNOOP\r\n", b"AUTH PLAIN\r\nAGEAYg==\r\n"],
)  # fmt: skip
def test_what_comes_before_its_turn_ends_the_session(site, early):
    client = Dialogue(site).hello()
    client.say(MAIL, RCPT)

    assert client.say(early) == b"554 5.5.0 Error: SMTP protocol synchronization\r\n"
    assert client.is_closed
    assert site.mailboxes.arrivals == []
    assert site.events.of(ev.Refused)[-1].rule == "refuse_unauthorised_pipelining"


def test_a_client_that_never_said_ehlo_may_not_pipeline(site):
    client = Dialogue(site)
    client.say(b"HELO old.example\r\n")

    assert client.code(MAIL + RCPT) == b"554"
    assert client.is_closed


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\nMAIL FROM:<a@b.example>\r\n", b"\n", b"NOOP\r\r\nx\n"])
def test_a_command_line_does_not_end_with_a_bare_lf(site, line):
    client = Dialogue(site).hello()

    reply = client.say(line).splitlines()[-1]

    assert reply == b"521 5.5.2 Error: bare <LF> received, lines end with <CR><LF>"
    assert client.is_closed


def test_long_lines_are_skipped_with_bounded_memory(site):
    client = Dialogue(site).hello()

    for _ in range(100):
        client.protocol.data_received(b"x" * 10_000)
        client._spin()
        assert len(client.protocol._buffer) < 30_000
    assert client.say(b"\r\nNOOP\r\n").split(b"\r\n")[:2] == [b"500 5.5.2 Error: line too long", b"250 2.0.0 Ok"]


def test_one_connection_does_not_change_the_limits_of_another(site):
    """aiosmtpd 1.4.6 keeps command_size_limits on the class and clears it for each new connection."""
    line = b"MAIL FROM:<a@b.example> ENVID=" + b"x" * 90 + b" RET=HDRS BODY=8BITMIME SIZE=100 AUTH=" + b"y" * 400
    first = Dialogue(site).hello()

    Dialogue(site)

    assert first.code(line + b"\r\n") == b"250"


def test_too_many_errors_end_the_session(site):
    client = Dialogue(site).hello()

    for _ in range(ERROR_LIMIT):
        assert client.code(b"FOO\r\n") == b"502"
    assert client.code(b"FOO\r\n") == b"421"
    assert client.is_closed


def test_a_browser_is_sent_away(site):
    client = Dialogue(site)

    assert client.code(b"POST / HTTP/1.1\r\n") == b"521"
    assert client.is_closed


def test_shutdown_says_421_between_commands_and_lets_a_message_finish(site):
    idle, busy = Dialogue(site).hello(), Dialogue(site).hello()
    busy.say(MAIL, RCPT, b"DATA\r\n")

    idle.protocol.stop()
    busy.protocol.stop()

    assert idle.code() == b"421"
    assert idle.is_closed
    assert busy.say() == b""
    replies = busy.say(b"Subject: x\r\n\r\n.\r\n").splitlines()
    assert [reply[:3] for reply in replies] == [b"250", b"421"]


def test_hanging_up_in_the_middle_of_data_keeps_nothing(site, tmp_path):
    client = Dialogue(site).hello()
    client.say(MAIL, RCPT, b"DATA\r\n", b"x" * 300_000)
    assert list(tmp_path.iterdir()) != []

    client.hang_up()

    assert list(tmp_path.iterdir()) == []
    assert site.mailboxes.arrivals == []
    assert len(site.events.of(ev.Disconnected)) == 1
    assert site.open == set()


def test_an_idle_client_is_told_and_dropped(site):
    client = Dialogue(site).hello()

    client.protocol._seen -= 299
    client.protocol._check_idle()
    assert client.say() == b""
    client.protocol._seen -= 2
    client.protocol._check_idle()

    assert client.say() == b"421 4.4.2 Error: timeout exceeded\r\n"
    assert client.is_closed


def test_a_client_that_does_not_read_its_replies_is_waited_for(site):
    client = Dialogue(site).hello()
    client.protocol.pause_writing()

    client.say(b"RSET\r\n")
    client.say(b"RSET\r\n" * 100)

    assert client.protocol._waiter is None
    assert len(client.protocol._buffer) == 600
    client.protocol.resume_writing()
    assert client.say().count(b"250 2.0.0 Ok") == 100
