"""accessd.pop3.lock: who holds the maildrop, who takes it over, and how soon the next session may begin."""

import asyncio
import os
import time

import pytest

from accessd.pop3.lock import LOCK_NAME, MaildropLock
from accessd.pop3.session import Pop3Session
from mailcore.errors import LoginTooSoon, MailboxInUse
from tests.unit.accessd.pop3.fakes import FakeConnection, WaitingConnection, expect, talk

LOGIN = b"USER alice@example.org\r\nPASS a secret\r\n"


def age(folder, seconds):
    moment = time.time() - seconds
    os.utime(folder / LOCK_NAME, (moment, moment))


def test_a_lent_lock_comes_back_to_who_lent_it(tmp_path):
    lock = MaildropLock.acquire(tmp_path)

    lock.lend()
    lent = lock.is_lent
    lock.take_back()

    assert (lent, lock.is_lent) == (True, False)
    with pytest.raises(MailboxInUse):
        MaildropLock.acquire(tmp_path)


@pytest.mark.parametrize("still_there", [True, False])
def test_a_lent_lock_that_another_session_took_does_not_come_back(tmp_path, still_there):
    lock = MaildropLock.acquire(tmp_path)
    lock.lend()
    other = MaildropLock.acquire(tmp_path)
    if not still_there:
        other.release()

    with pytest.raises(MailboxInUse):
        lock.take_back()

    assert lock.is_lent
    other.release()
    MaildropLock.acquire(tmp_path).release()


def test_a_lock_that_could_not_be_signed_is_not_lent(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    lock = MaildropLock.acquire(tmp_path)

    lock.lend()

    assert not lock.is_lent
    lock.release()


def test_the_first_session_never_comes_too_soon_and_the_next_may(tmp_path):
    MaildropLock.acquire(tmp_path, login_delay_s=60).release()

    with pytest.raises(LoginTooSoon):
        MaildropLock.acquire(tmp_path, login_delay_s=60)
    MaildropLock.acquire(tmp_path, login_delay_s=0).release()
    age(tmp_path, 61)

    MaildropLock.acquire(tmp_path, login_delay_s=60).release()


def test_a_refused_login_does_not_begin_the_delay_anew(tmp_path):
    MaildropLock.acquire(tmp_path).release()
    age(tmp_path, 50)
    with pytest.raises(LoginTooSoon):
        MaildropLock.acquire(tmp_path, login_delay_s=60)

    age_now = time.time() - (tmp_path / LOCK_NAME).stat().st_mtime

    assert age_now > 45
    MaildropLock.acquire(tmp_path, login_delay_s=45).release()


def test_a_clock_set_back_locks_nobody_out(tmp_path):
    MaildropLock.acquire(tmp_path).release()
    age(tmp_path, -3600)

    MaildropLock.acquire(tmp_path, login_delay_s=60).release()


def test_login_delay_is_announced_and_kept(context):
    context.settings.login_delay = 300
    talk(context, [LOGIN + b"QUIT\r\n"])

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
S: LOGIN-DELAY 300
S: USER
S: SASL PLAIN LOGIN SCRAM-SHA-256
S: IMPLEMENTATION Mailkeep
S: .
C: USER alice@example.org
S: +OK Now the password
C: PASS a secret
S: -ERR [LOGIN-DELAY] Minimum time between mail checks violated
C: STAT
S: -ERR Not in this state
""",
    )


def test_a_newer_login_takes_over_from_a_silent_client(context, mailboxes):
    async def dialogue():
        silent = WaitingConnection([LOGIN + b"DELE 1\r\n"])
        session = Pop3Session(context)
        running = asyncio.create_task(session.run(silent))
        await silent.idle.wait()
        silent.on_silent()
        newer = FakeConnection([LOGIN + b"DELE 2\r\nQUIT\r\n"])
        await Pop3Session(context).run(newer)
        silent.wake_with(b"STAT\r\nQUIT\r\n")
        await running
        return silent, newer

    silent, newer = asyncio.run(dialogue())

    assert newer.answers.endswith(b"+OK 2 messages, 102 octets\r\n+OK Marked for deletion\r\n+OK Bye\r\n")
    assert silent.answers.endswith(b"-ERR [IN-USE] Another session has taken over this maildrop\r\n")
    assert list(mailboxes.messages) == [101]


def test_a_silent_client_that_speaks_again_goes_on_where_nobody_came(context, mailboxes):
    async def dialogue():
        silent = WaitingConnection([LOGIN + b"DELE 1\r\n"])
        running = asyncio.create_task(Pop3Session(context).run(silent))
        await silent.idle.wait()
        silent.on_silent()
        silent.wake_with(b"STAT\r\nQUIT\r\n")
        await running
        return silent

    silent = asyncio.run(dialogue())

    assert silent.answers.endswith(b"+OK 1 30\r\n+OK Bye\r\n")
    assert list(mailboxes.messages) == [102]


def test_a_command_in_progress_keeps_the_maildrop(context):
    async def dialogue():
        busy = WaitingConnection([LOGIN])
        session = Pop3Session(context)
        running = asyncio.create_task(session.run(busy))
        await busy.idle.wait()
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def drain():
            entered.set()
            await go_on.wait()

        busy.drain = drain
        busy.wake_with(b"RETR 1\r\n")
        await entered.wait()
        busy.on_silent()
        newer = FakeConnection([LOGIN])
        await Pop3Session(context).run(newer)
        go_on.set()
        await running
        return newer

    assert b"-ERR [IN-USE] Another session has this maildrop open\r\n" in asyncio.run(dialogue()).answers
