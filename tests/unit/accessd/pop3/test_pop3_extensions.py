"""UTF8 and LANG (RFC 6856), limits of lines (RFC 2449 section 4), and what a session says when it is ended."""

import asyncio

import pytest

from accessd.pop3.engine import MAX_COMMAND, MAX_CREDENTIALS, Engine, LineTooLong
from accessd.pop3.session import Pop3Session
from mailcore.errors import AuthenticationFailed
from tests.unit.accessd.pop3.fakes import WaitingConnection, expect, talk


def test_the_languages_are_listed_and_chosen_in_every_state(context):
    expect(
        context,
        """
S: +OK Mailkeep POP3 ready
C: LANG
S: +OK Language listing follows
S: en English
S: i-default English
S: .
C: LANG *
S: +OK en Language changed to English
C: LANG EN-gb
S: +OK en Language changed to English
C: LANG i-default
S: +OK i-default Language changed to English
C: LANG uga
S: -ERR That language is not spoken here
C: USER alice@example.org
S: +OK Now the password
C: PASS a secret
S: +OK 2 messages, 102 octets
C: LANG en
S: +OK en Language changed to English
C: LANG en de
S: -ERR Wrong number of arguments
""",
    )


def test_utf8_is_for_the_time_before_login_and_after_tls(context):
    expect(
        context,
        """
S: +OK Mailkeep POP3 ready
C: UTF8
S: +OK UTF-8 it is
C: STLS
S: -ERR STLS comes before UTF8
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
S: IMPLEMENTATION Mailkeep
S: .
""",
        tls=False,
    )
    assert talk(context, [b"USER alice@example.org\r\nPASS a secret\r\nUTF8\r\n"]).answers.endswith(
        b"-ERR Not in this state\r\n"
    )


def test_after_utf8_what_is_no_utf8_is_refused(context):
    seen = []

    async def check(login, password, *, protocol, client_ip):
        seen.append((login, password))
        raise AuthenticationFailed(login)

    context.authenticator.check = check

    connection = talk(context, ["UTF8\r\nUSER jörg\r\nPASS grün\r\nUSER jörg\r\n".encode(), b"PASS gr\xfcn\r\n"])

    assert seen == [("jörg", "grün")]
    assert connection.answers.endswith(b"-ERR That is not UTF-8\r\n")


@pytest.mark.parametrize(
    ("start", "is_command", "limit"),
    [
        (b"STAT", True, MAX_COMMAND),
        (b"USER ", True, MAX_COMMAND),
        (b"AUTHX ", True, MAX_COMMAND),
        (b"PASS ", True, MAX_CREDENTIALS),
        (b"auth PLAIN ", True, MAX_CREDENTIALS),
        (b"STAT", False, MAX_CREDENTIALS),
    ],
)
def test_a_line_of_the_limit_is_taken_and_one_octet_more_is_not(start, is_command, limit):
    line = start.ljust(limit - 2, b"x")
    engine = Engine()

    engine.receive(line + b"\r\n")
    assert engine.next_line(is_command=is_command) == line

    engine.receive(line + b"x\r\nNOOP\r\n")
    with pytest.raises(LineTooLong):
        engine.next_line(is_command=is_command)
    assert engine.next_line() == b"NOOP"


def test_a_command_that_is_too_long_is_answered(context):
    expect(context, f"S: +OK Mailkeep POP3 ready\nC: NOOP {'x' * 250}\nS: -ERR Line too long\n")


@pytest.mark.parametrize("login", [b"", b"USER alice@example.org\r\nPASS a secret\r\nDELE 1\r\n"])
@pytest.mark.parametrize(
    ("farewell", "code"),
    [
        ("Idle for too long", b"SYS/TEMP"),
        ("Ended by the administrator", b"SYS/TEMP"),
        # To come back later does not help (RFC 3206 section 4).
        ("App password revoked", b"AUTH"),
        ("Account disabled", b"AUTH"),
        ("Account deleted", b"AUTH"),
        ("POP3 is no longer allowed for this account", b"AUTH"),
    ],
)
def test_a_session_that_is_ended_says_why_and_deletes_nothing(context, mailboxes, login, farewell, code):
    async def dialogue():
        connection = WaitingConnection([login] if login else [])
        running = asyncio.create_task(Pop3Session(context).run(connection))
        await connection.idle.wait()
        connection.farewell = farewell
        connection.go_on.set()
        await running
        return connection

    connection = asyncio.run(dialogue())

    assert connection.answers.endswith(b"\r\n-ERR [%b] %b\r\n" % (code, farewell.encode()))
    assert connection.closed
    assert list(mailboxes.messages) == [101, 102]
