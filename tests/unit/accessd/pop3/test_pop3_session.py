"""accessd.pop3: dialogues as transcripts. What stands behind "C:" is sent, what stands behind "S:" must be
answered."""

import asyncio
import base64

import psycopg
import pytest

from accessd.pop3.session import MAX_BAD_COMMANDS, Pop3Session
from mailcore.errors import AuthenticationThrottled, DirectoryUnavailable, StoreUnavailable
from mailcore.maillog.event import AuthFailed, AuthOk
from tests.unit.accessd.pop3.fakes import FakeConnection, FakeMailboxes, WaitingConnection, expect, talk

LOGIN = """
S: +OK Mailkeep POP3 ready
C: USER alice@example.org
S: +OK Now the password
C: PASS a secret
"""
PLAIN = base64.b64encode(b"\0alice@example.org\0a secret").decode()


def test_a_session_from_login_to_quit(context, mailboxes):
    connection = expect(
        context,
        LOGIN
        + """S: +OK 2 messages, 102 octets
C: STAT
S: +OK 2 102
C: LIST
S: +OK 2 messages, 102 octets
S: 1 72
S: 2 30
S: .
C: LIST 2
S: +OK 2 30
C: UIDL
S: +OK 2 messages, 102 octets
S: 1 1700000000-101
S: 2 1700000000-102
S: .
C: UIDL 1
S: +OK 1 1700000000-101
C: RETR 1
S: +OK 72 octets
S: From: a@example.net
S: Subject: one
S:
S: ..a line with a dot
S: ...
S: last line
S: .
C: NOOP
S: +OK
C: QUIT
S: +OK Bye
""",
    )

    assert connection.closed
    assert list(mailboxes.messages) == [101, 102]
    assert mailboxes.seen == {101}
    assert [type(event) for event in context.events] == [AuthOk]


def test_messages_are_deleted_by_quit_and_by_nothing_before(context, mailboxes):
    expect(
        context,
        LOGIN
        + """S: +OK 2 messages, 102 octets
C: DELE 1
S: +OK Marked for deletion
C: DELE 1
S: -ERR No such message
C: RETR 1
S: -ERR No such message
C: STAT
S: +OK 1 30
C: LIST
S: +OK 1 messages, 30 octets
S: 2 30
S: .
C: RSET
S: +OK 2 messages
C: DELE 2
S: +OK Marked for deletion
""",
    )
    assert list(mailboxes.messages) == [101, 102]
    assert context.announced == []

    talk(context, [b"USER alice@example.org\r\nPASS a secret\r\nDELE 2\r\nQUIT\r\n"])

    assert list(mailboxes.messages) == [101]
    assert context.announced == [3]


def test_a_failed_update_is_not_called_a_success(context, mailboxes):
    mailboxes.failure = StoreUnavailable("disk")

    connection = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\nDELE 2\r\nQUIT\r\n"])

    assert connection.said[-1] == ("S", b"-ERR [SYS/TEMP] Temporary problem, please try again later\r\n")
    assert connection.closed


def test_top_gives_the_header_and_some_lines(context):
    expect(
        context,
        LOGIN
        + """S: +OK 2 messages, 102 octets
C: TOP 1 0
S: +OK
S: From: a@example.net
S: Subject: one
S:
S: .
C: TOP 1 1
S: +OK
S: From: a@example.net
S: Subject: one
S:
S: ..a line with a dot
S: .
C: TOP 2 100
S: +OK
S: Subject: two
S:
S: no end of line
S: .
C: TOP 1 -1
S: -ERR That is no number
C: TOP 3 1
S: -ERR No such message
""",
    )


def test_commands_outside_their_state_are_refused(context):
    expect(
        context,
        """
S: +OK Mailkeep POP3 ready
C: STAT
S: -ERR Not in this state
C: PASS a secret
S: -ERR USER comes first
C: XYZZY
S: -ERR Unknown command
C: APOP alice c4c9334bac560ecc979e58001b3e22fb
S: -ERR Unknown command
C: user alice@example.org
S: +OK Now the password
C: pass a secret
S: +OK 2 messages, 102 octets
C: USER bob
S: -ERR Not in this state
C: STAT 1
S: -ERR Wrong number of arguments
C: RETR
S: -ERR Wrong number of arguments
C: RETR x
S: -ERR That is no number
C: RETR 0
S: -ERR No such message
C: RETR 99999999999999999999
S: -ERR That is no number
C: QUIT
S: +OK Bye
""",
    )


def test_capabilities_before_and_after_tls(context):
    expect(
        context,
        """
S: +OK Mailkeep POP3 ready
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: RESP-CODES
S: AUTH-RESP-CODE
S: PIPELINING
S: EXPIRE NEVER
S: UTF8 USER
S: LANG
S: STLS
S: IMPLEMENTATION Mailkeep
S: .
C: STLS
S: +OK Begin TLS now
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: RESP-CODES
S: AUTH-RESP-CODE
S: PIPELINING
S: EXPIRE NEVER
S: UTF8 USER
S: LANG
S: USER
S: SASL PLAIN LOGIN SCRAM-SHA-256
S: IMPLEMENTATION Mailkeep
S: .
C: STLS
S: -ERR TLS is not available
""",
        tls=False,
    )


@pytest.mark.parametrize("line", ["USER alice@example.org", f"AUTH PLAIN {PLAIN}", "AUTH PLAIN"])
def test_no_password_is_taken_before_tls(context, line):
    expect(
        context,
        f"""
S: +OK Mailkeep POP3 ready
C: {line}
S: -ERR [AUTH] Passwords are only taken after STLS
""",
        tls=False,
    )


def test_mynetworks_may_log_in_without_tls_where_the_configuration_says_so(context):
    context.settings.plaintext_auth = "mynetworks"

    inside = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\n"], tls=False, peer="10.0.0.1")
    outside = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\n"], tls=False, peer="192.0.2.1")

    assert b"+OK 2 messages" in inside.answers
    assert b"-ERR [AUTH]" in outside.answers and b"messages" not in outside.answers


def test_nothing_sent_before_the_handshake_survives_it(context):
    connection = talk(context, [b"STLS\r\nUSER alice@example.org\r\nPASS a secret\r\n"], tls=False)

    assert connection.handshakes == 1
    assert connection.answers == b"+OK Mailkeep POP3 ready\r\n+OK Begin TLS now\r\n"


@pytest.mark.parametrize(
    "dialogue",
    [
        f"C: AUTH PLAIN {PLAIN}\n",
        f"C: auth plain {PLAIN}\n",
        f"C: AUTH PLAIN\nS: +\nC: {PLAIN}\n",
    ],
)
def test_sasl_plain_with_and_without_initial_response(context, dialogue):
    expect(context, f"S: +OK Mailkeep POP3 ready\n{dialogue}S: +OK 2 messages, 102 octets\n")


def encoded(*parts):
    return base64.b64encode(b"\0".join(parts)).decode()


@pytest.mark.parametrize(
    ("dialogue", "answer"),
    [
        ("C: AUTH PLAIN\nS: +\nC: *\n", "-ERR Cancelled"),
        ("C: AUTH PLAIN\nS: +\nC: !!!\n", "-ERR That is no PLAIN response"),
        ("C: AUTH PLAIN =\n", "-ERR That is no PLAIN response"),
        (f"C: AUTH PLAIN {encoded(b'no separators')}\n", "-ERR That is no PLAIN response"),
        (f"C: AUTH PLAIN {encoded(bytes([0xFF]), b'a', b'')}\n", "-ERR That is no PLAIN response"),
        (
            f"C: AUTH PLAIN {encoded(b'bob@example.org', b'alice@example.org', b'a secret')}\n",
            "-ERR [AUTH] Authentication failed",
        ),
        ("C: AUTH CRAM-MD5\n", "-ERR That mechanism is not offered"),
        (f"C: AUTH PLAIN {encoded(b'', b'alice@example.org', b'no')}\n", "-ERR [AUTH] Authentication failed"),
    ],
)
def test_sasl_that_does_not_succeed(context, dialogue, answer):
    expect(context, f"S: +OK Mailkeep POP3 ready\n{dialogue}S: {answer}\nC: NOOP\nS: -ERR Not in this state\n")


def test_the_mechanisms_are_listed(context):
    expect(
        context,
        "S: +OK Mailkeep POP3 ready\nC: AUTH\nS: +OK Mechanisms follow\nS: PLAIN\nS: LOGIN\nS: SCRAM-SHA-256\nS: .\n",
    )


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (AuthenticationThrottled("x"), b"-ERR [SYS/TEMP] Too many failed logins, please wait\r\n"),
        (DirectoryUnavailable("x"), b"-ERR [SYS/TEMP] Temporary problem, please try again later\r\n"),
        (psycopg.OperationalError("x"), b"-ERR [SYS/TEMP] Temporary problem, please try again later\r\n"),
    ],
)
def test_what_may_pass_is_called_temporary(context, error, answer):
    context.authenticator.failure = error

    connection = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\n"])

    assert connection.said[-1] == ("S", answer)


def test_a_wrong_password_is_answered_and_recorded_and_after_five_it_ends(context):
    attempt = b"USER alice@example.org\r\nPASS wrong\r\n"

    connection = talk(context, [attempt * 7])

    assert connection.answers.count(b"-ERR [AUTH] Authentication failed\r\n") == 5
    assert [type(event) for event in context.events] == [AuthFailed] * 5
    assert context.events[0].login == "alice@example.org"


def test_only_one_session_has_the_maildrop(context):
    async def two_sessions():
        first = Pop3Session(context)
        waiting = WaitingConnection([b"USER alice@example.org\r\nPASS a secret\r\n"])
        running = asyncio.create_task(first.run(waiting))
        await waiting.idle.wait()
        second = FakeConnection([b"USER alice@example.org\r\nPASS a secret\r\nSTAT\r\n"])
        await Pop3Session(context).run(second)
        waiting.go_on.set()
        await running
        third = FakeConnection([b"USER alice@example.org\r\nPASS a secret\r\nSTAT\r\n"])
        await Pop3Session(context).run(third)
        return second, third

    second, third = asyncio.run(two_sessions())

    assert b"-ERR [IN-USE] Another session has this maildrop open\r\n-ERR Not in this state" in second.answers
    assert b"+OK 2 102" in third.answers


def test_pipelined_commands_are_answered_in_order_with_few_reads(context, stand_on):
    stand_on(FakeMailboxes([b"Subject: %d\n\nbody\n" % number for number in range(120)]))
    commands = b"".join(b"RETR %d\r\n" % number for number in range(1, 121))

    connection = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\n" + commands + b"QUIT\r\n"])

    subjects = [line for line in connection.answers.split(b"\r\n") if line.startswith(b"Subject")]
    assert subjects == [b"Subject: %d" % number for number in range(120)]
    assert context.offload.calls.count("read_ready") == 3


def test_reading_ahead_does_not_show_what_was_deleted_meanwhile(context, mailboxes):
    commands = b"RETR 1\r\nDELE 2\r\nRETR 2\r\nRSET\r\nRETR 2\r\n"

    connection = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\n" + commands])

    assert connection.answers.count(b"Subject: two") == 1
    assert b"-ERR No such message\r\n+OK 2 messages\r\n+OK 30 octets\r\n" in connection.answers


def test_a_message_another_session_expunged_is_an_error_and_the_rest_goes_on(context, mailboxes):
    class Vanishing(FakeConnection):
        async def read_some(self):
            mailboxes.messages.pop(101, None) if len(self._chunks) == 1 else None
            return await super().read_some()

    connection = Vanishing([b"USER alice@example.org\r\nPASS a secret\r\n", b"RETR 1\r\nTOP 1 0\r\nRETR 2\r\n"])
    asyncio.run(Pop3Session(context).run(connection))

    assert connection.answers.count(b"-ERR This message is no longer there\r\n") == 2
    assert b"Subject: two" in connection.answers


def test_a_large_message_is_streamed_and_arrives_whole(context, stand_on):
    body = b"".join(b".line %d\n" % number for number in range(60_000)) + b"\r"
    stand_on(FakeMailboxes([b"Subject: large\n\n" + body]))

    connection = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\nRETR 1\r\nQUIT\r\n"])

    start = connection.answers.index(b"Subject: large")
    message, _, rest = connection.answers[start:].partition(b"\r\n.\r\n")
    assert message.replace(b"\r\n..", b"\r\n.").replace(b"\r\n", b"\n") == b"Subject: large\n\n" + body[:-1] + b" "
    assert rest == b"+OK Bye\r\n"
    assert max(len(data) for _, data in connection.said) < 150_000


def test_a_message_that_cannot_be_read_to_its_end_breaks_the_connection(context, stand_on):
    fake = stand_on(FakeMailboxes([b"Subject: large\n\n" + b"x" * 300_000]))

    def failing(*arguments):
        message = FakeMailboxes.open_message(fake, *arguments)
        chunks = message.chunks()
        message.chunks = lambda: iter_then_fail(next(chunks))
        return message

    def iter_then_fail(chunk):
        yield chunk
        raise OSError(5, "Input/output error")

    fake.open_message = failing

    connection = talk(context, [b"USER alice@example.org\r\nPASS a secret\r\nRETR 1\r\nNOOP\r\n"])

    assert connection.closed
    assert connection.answers.endswith(b"x" * 100)


def test_a_line_without_end_does_not_fill_memory_and_is_refused(context):
    session = Pop3Session(context)
    connection = FakeConnection([b"A" * 10_000] * 50 + [b"\r\nQUIT\r\n"])

    asyncio.run(session.run(connection))

    assert connection.answers == b"+OK Mailkeep POP3 ready\r\n-ERR Line too long\r\n+OK Bye\r\n"


def test_who_talks_nonsense_is_turned_away(context):
    connection = talk(context, [b"GET / HTTP/1.1\r\n" * 100])

    assert connection.answers.count(b"-ERR") == MAX_BAD_COMMANDS
    assert connection.closed


@pytest.mark.parametrize("size", [1, 2, 7])
def test_commands_may_arrive_in_any_pieces(context, size):
    data = b"USER alice@example.org\r\nPASS a secret\r\nSTAT\nQUIT\r\n"

    connection = talk(context, [data[start : start + size] for start in range(0, len(data), size)])

    assert connection.answers.endswith(b"+OK 2 messages, 102 octets\r\n+OK 2 102\r\n+OK Bye\r\n")


def test_a_password_may_hold_spaces_and_any_script(context):
    seen = []

    async def check(login, password, *, protocol, client_ip):
        seen.append((login, password, client_ip))
        raise AuthenticationThrottled("x")

    context.authenticator.check = check

    talk(context, ["USER a\r\nPASS  zwei  Wörter \r\n".encode(), b"USER b\r\nPASS latin \xe9\r\n"])

    assert seen == [("a", " zwei  Wörter ", "192.0.2.1"), ("b", "latin é", "192.0.2.1")]
