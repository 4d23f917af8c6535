"""A volume is full: mail waits where it is, nothing half-written is seen or kept, reading goes on, and when there is
space again everything flows without a hand on it.

Promise 3 of docs/reliability.md. The appliance is real; its mail, its database and its log lie on small file systems.
Full is UNAVAILABLE to IMAP (RFC 5530 section 3: "Temporary failure because a subsystem is down"), not OVERQUOTA: the
client is right to try again, and no user can do anything about it.
"""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import re
import shutil
import smtplib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fakes.fetch_everything import fetch_everything
from tests.fakes.mail_senders import trusting
from tests.fakes.smtp_sink import Script, Sink
from tests.fixtures_appliance import Appliance
from tests.fixtures_servers import quick_folder, wait_until
from tests.reliability.small_volume import SmallVolume, files_below, small_volume

DOMAIN, ELSEWHERE = "full.test", "relay.test"
PASSWORD = "correct horse battery"
ANN, BOB, WRITER, READER = (f"{name}@{DOMAIN}" for name in ("ann", "bob-mbox", "writer", "reader"))
MAIL_BYTES, LOG_BYTES, DATABASE_BYTES = 96 << 20, 1 << 20, 320 << 20
FULL = (452, b"4.3.1")
# Programs notice and come back by themselves; generous, because the machine may be busy.
BACK_WITHIN_S = 90.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mailkeep-full-", dir=quick_folder()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def volumes(folder: Path) -> Iterator[dict[str, SmallVolume]]:
    sizes = {"mail": MAIL_BYTES, "log": LOG_BYTES, "pg": DATABASE_BYTES}
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(small_volume(folder / "volumes" / name, size)) for name, size in sizes.items()}


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink(Script()) as sink:
        yield sink


@pytest.fixture(scope="module")
def appliance(folder: Path, volumes: dict[str, SmallVolume], sink: Sink) -> Iterator[Appliance]:
    """Mail, spool and maildrop on one volume, as they have to be; log and database each on another."""
    home = folder / "home"
    home.mkdir(mode=0o711)
    on = {"mail": "mail", "spool": "mail", "maildrop": "mail", "log": "log", "pg": "pg"}
    for name, volume in on.items():
        (volumes[volume].folder / name).mkdir(mode=0o700)
        (home / name).symlink_to(volumes[volume].folder / name)
    appliance = Appliance(home, {"SMTPD_WORKERS": "1", "ACCESSD_WORKERS": "1"})
    appliance.start()
    try:
        _configure(appliance, sink)
        yield appliance
    finally:
        appliance.stop()


def _configure(appliance: Appliance, sink: Sink) -> None:
    def put(path: str, body: dict[str, Any]) -> None:
        answer = appliance.api("PUT", path, body)
        assert answer.status < 300, answer

    put(f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"})
    for address in (ANN, BOB, WRITER, READER):
        store = "mbox" if "mbox" in address else "maildir"
        put(f"accounts/{address}/", {"address": address, "password": PASSWORD, "store": store})
    put(f"transport-rules/{ELSEWHERE}/", {"match": ELSEWHERE, "relayhost": f"[127.0.0.1]:{sink.port}"})
    assert appliance.api("PATCH", "settings/", {"minimal_backoff_time": 1, "maximal_backoff_time": 2}).status == 200


@pytest.fixture(autouse=True)
def space_again(volumes: dict[str, SmallVolume]) -> Iterator[None]:
    """Whatever a test did, the next one begins with space."""
    yield
    for volume in volumes.values():
        volume.empty()


def message(subject: str, size: int = 200) -> bytes:
    lines = b"".join(b"line %d of %s\r\n" % (number, subject.encode()) for number in range(size // 20))
    head = f"From: <{WRITER}>\r\nTo: <{ANN}>\r\nSubject: {subject}\r\n\r\n".encode()
    return head + lines + b"the end\r\n"


class Client:
    """An SMTP session from this machine, which may relay."""

    def __init__(self, appliance: Appliance, sender: str = WRITER) -> None:
        self.smtp = smtplib.SMTP("127.0.0.1", appliance.ports.smtp, timeout=60)
        self.smtp.ehlo("client.test")
        self.sender = sender

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.smtp.close()

    def send(self, data: bytes, *recipients: str) -> tuple[int, bytes]:
        """The reply to the end of the message, or to the command that was not taken."""
        for code, text in (self.smtp.mail(self.sender), *(self.smtp.rcpt(each) for each in recipients)):
            if code != 250:
                self.smtp.rset()
                return code, text.split()[0]
        code, text = self.smtp.data(data)
        return code, text.split()[0]


def send(appliance: Appliance, data: bytes, *recipients: str) -> tuple[int, bytes]:
    with Client(appliance) as client:
        return client.send(data, *recipients)


def subjects(appliance: Appliance, account: str, mailbox: str = "INBOX") -> list[str]:
    """Of all messages, each of which must be whole."""
    found = []
    for _, text in fetch_everything(appliance.ports.imaps, account, PASSWORD, mailbox):
        assert text.endswith(b"the end\r\n") or b"multipart/report" in text, f"half a message: {text[:200]!r}"
        match = re.search(rb"^Subject: (.*?)\r$", text, re.MULTILINE)
        assert match
        found.append(match[1].decode())
    return found


@contextlib.contextmanager
def imap(appliance: Appliance, account: str, mailbox: str = "INBOX") -> Iterator[imaplib.IMAP4_SSL]:
    client = imaplib.IMAP4_SSL("127.0.0.1", appliance.ports.imaps, ssl_context=trusting())
    client.login(account, PASSWORD)
    client.select(mailbox)
    yield client
    client.shutdown()


def answer(result: tuple[str, list[Any]]) -> str:
    """OK, or NO with its code."""
    status, lines = result
    code = re.match(rb"\[[A-Z]+\]", lines[0] or b"") if status == "NO" else None
    return f"{status} {code[0].decode()}" if code else status


def kept(volume: SmallVolume) -> dict[str, int]:
    """Files with mail in them. The journal writes over what it has."""
    return {
        path: size
        for path, size in files_below(volume.folder).items()
        if not path.startswith(("filler", "spool/journal")) and not path.endswith(".append")
    }


def test_a_full_mail_volume_defers_mail_and_keeps_nothing_of_it(appliance, volumes, record):
    volume = volumes["mail"]
    assert send(appliance, message("before"), ANN, BOB)[0] == 250
    volume.fill()
    before = kept(volume)

    with Client(appliance) as client:
        replies = [client.send(message("full", size), *who) for size in SIZES for who in ((ANN,), (BOB,), (ANN, BOB))]
        replies += [client.send(message("full", size), f"x@{ELSEWHERE}") for size in SIZES]

    assert set(replies) == {FULL}
    assert kept(volume) == before

    volume.empty()
    assert send(appliance, message("after"), ANN, BOB) == (250, b"2.0.0")
    assert subjects(appliance, ANN) == ["before", "after"]
    assert subjects(appliance, BOB) == ["before", "after"]
    record(3, "mail volume full: SMTP defers with 452 4.3.1", deferred=len(replies))


# In memory, in a file of spool/incoming, and one that needs several writes to find out.
SIZES = (300, 200_000, 3_000_000)


@pytest.mark.parametrize("recipient", [ANN, BOB, f"x@{ELSEWHERE}"])
def test_a_volume_that_fills_up_in_the_middle_of_a_message_has_its_space_back(appliance, volumes, recipient):
    volume = volumes["mail"]
    volume.fill(leave_bytes=1 << 20)
    before, free = kept(volume), volume.free_bytes

    assert send(appliance, message("too large for this disk", 4 << 20), recipient) == FULL

    assert kept(volume) == before
    assert volume.free_bytes >= free - 65536


@pytest.mark.parametrize("account", [WRITER, BOB])
def test_reading_goes_on_and_what_needs_space_is_unavailable(appliance, volumes, account, record):
    assert [send(appliance, message(f"m{n}", 20_000), account)[0] for n in range(4)] == [250] * 4
    known = subjects(appliance, account)
    volume = volumes["mail"]
    volume.fill()

    with imap(appliance, account) as client:
        answers = {
            "FETCH": answer(client.fetch("1:*", "(FLAGS BODY.PEEK[])")),
            "APPEND": answer(client.append("INBOX", "", "", message("full", 5000))),
            "APPEND of much": answer(client.append("INBOX", "", "", message("full", 3 << 20))),
            "COPY": answer(client.copy("1", "Archive")),
            "STORE": answer(client.store("1", "+FLAGS", "(\\Flagged)")),
            "SEARCH": answer(client.search(None, "TEXT", "line")),
        }
        many = " ".join(f"keyword{number}-{'x' * 40}" for number in range(100))
        answers["STORE of keywords"] = answer(client.store("2", "+FLAGS", f"({many})"))
        answers["FETCH afterwards"] = answer(client.fetch("1:*", "(FLAGS BODY.PEEK[])"))
        client.store(str(len(known)), "+FLAGS", "(\\Deleted)")
        answers["EXPUNGE"] = answer(client.expunge())

    assert subjects(appliance, account) == known[:-1]
    assert pop3_texts(appliance, account) == len(known) - 1
    needs_space = {"APPEND", "APPEND of much", "COPY", "STORE of keywords"}
    assert {name: each for name, each in answers.items() if name not in needs_space} == dict.fromkeys(
        answers.keys() - needs_space, "OK"
    )
    assert answers["APPEND"] == answers["APPEND of much"] == "NO [UNAVAILABLE]"
    # A hard link needs no space; an index keeps keywords the files have no room for.
    assert {answers["COPY"], answers["STORE of keywords"]} <= {"OK", "NO [UNAVAILABLE]"}

    assert not [path for path in kept(volume) if re.search(r"\.incoming/.|/tmp/.|redo|INBOX\.lock|keywords\.new", path)]
    volume.empty()
    with imap(appliance, account) as client:
        assert answer(client.append("INBOX", "", "", message("after", 5000))) == "OK"
    assert subjects(appliance, account) == [*known[:-1], "after"]
    record(3, "mail volume full: reading goes on, APPEND is UNAVAILABLE", account=account.partition("@")[0], **answers)


def pop3_texts(appliance: Appliance, account: str) -> int:
    """How many messages can be read whole."""
    client = poplib.POP3_SSL("127.0.0.1", appliance.ports.pop3s, context=trusting(), timeout=30)
    client.user(account)
    client.pass_(PASSWORD)
    count, _ = client.stat()
    assert all(client.retr(number)[1][-1] == b"the end" for number in range(1, count + 1))
    client.quit()
    return count


def test_the_queue_goes_on_and_reports_when_it_can(appliance, volumes, sink, record):
    waiting = [f"{name}@{ELSEWHERE}" for name in ("nobody", "one", "two")]
    sink.script.rcpt = "450 4.2.0 not yet"
    with Client(appliance) as client:
        assert [client.send(message(each), each)[0] for each in waiting] == [250] * 3
    volumes["mail"].fill()

    # There is no room for the report that this calls for.
    sink.script.rcpt = lambda to: "550 5.1.1 unknown" if "nobody" in to else "450 4.2.0 not yet"
    already = len(sink.commands)
    wait_until(lambda: attempts(sink, already) >= 3, seconds=BACK_WITHIN_S, what="several attempts")
    assert queue(appliance) == waiting
    assert reports(appliance) == 0

    sink.script.rcpt = lambda to: "550 5.1.1 unknown" if "nobody" in to else "250 2.1.5 ok"
    wait_until(lambda: set(queue(appliance)) <= {waiting[0]}, seconds=BACK_WITHIN_S, what="both relayed")

    volumes["mail"].empty()
    wait_until(lambda: reports(appliance) == 1, seconds=BACK_WITHIN_S, what="one report")
    wait_until(lambda: not queue(appliance), seconds=BACK_WITHIN_S, what="the queue is empty")
    assert sorted(each.recipients[0] for each in sink.received) == waiting[1:]
    record(3, "mail volume full: the queue relays, reports wait", attempts=attempts(sink, already), relayed=2)


def attempts(sink: Sink, since: int) -> int:
    """How often the message that is to be refused was offered."""
    return sum("RCPT TO:<nobody" in command for command in sink.commands[since:])


def queue(appliance: Appliance) -> list[str]:
    with psycopg.connect(appliance.database_url) as conn:
        return [row[0] for row in conn.execute("SELECT address FROM queue_recipient ORDER BY address")]


def reports(appliance: Appliance) -> int:
    return sum(b"multipart/report" in text for _, text in fetch_everything(appliance.ports.imaps, WRITER, PASSWORD))


def test_a_full_log_volume_stops_no_mail(appliance, volumes, sink, record):
    already = len(sink.received)
    sink.script.rcpt = "250 2.1.5 ok"
    volumes["log"].fill()

    assert [send(appliance, message(f"unlogged{n}"), READER)[0] for n in range(20)] == [250] * 20
    assert send(appliance, message("unlogged"), f"x@{ELSEWHERE}")[0] == 250
    wait_until(lambda: len(sink.received) == already + 1, seconds=BACK_WITHIN_S)
    assert subjects(appliance, READER) == [f"unlogged{n}" for n in range(20)]

    volumes["log"].empty()
    assert send(appliance, message("logged"), READER)[0] == 250
    size = appliance.maillog.stat().st_size
    wait_until(lambda: send(appliance, message("logged"), READER)[0] == 250 and appliance.maillog.stat().st_size > size)
    record(3, "log volume full: mail flows", delivered=20, relayed=1)


@pytest.mark.parametrize("how", ["rows", "WAL"])
def test_a_full_database_volume_defers_mail_and_comes_back(appliance, volumes, how, record):
    volumes["pg"].fill()
    acknowledged, replies = [], []
    if how == "WAL":
        # Nothing left to write ahead in: PostgreSQL ends with PANIC, and cannot start either.
        with contextlib.suppress(psycopg.Error), psycopg.connect(appliance.database_url, autocommit=True) as conn:
            for _ in range(20):
                conn.execute("SELECT pg_switch_wal()")
                conn.execute("CREATE TABLE IF NOT EXISTS filler AS SELECT generate_series(1, 100) AS n")
    until = time.monotonic() + BACK_WITHIN_S
    while len([code for code, _ in replies if code != 250]) < 5 and time.monotonic() < until:
        subject = f"{how}{len(replies)}"
        replies.append(answer_or_close(appliance, message(subject, 20_000)))
        if replies[-1][0] == 250:
            acknowledged.append(subject)

    refused = [reply for reply in replies if reply[0] != 250]
    assert len(refused) == 5
    assert {code for code, _ in refused} <= {0, 421, 451, 452}

    volumes["pg"].empty()
    begun = time.monotonic()
    wait_until(lambda: answer_or_close(appliance, message("again"))[0] == 250, seconds=BACK_WITHIN_S)
    back_s = time.monotonic() - begun
    found = subjects_soon(appliance, READER)
    assert [found.count(subject) for subject in acknowledged] == [1] * len(acknowledged)
    # Of a COMMIT that was not answered nobody knows: the sender comes again, and one of the two is too many.
    assert len({f"{how}{n}" for n in range(len(replies))} & set(found) - set(acknowledged)) <= 1
    record(3, "database volume full", how=how, acknowledged=len(acknowledged), back_s=round(back_s, 1))


def subjects_soon(appliance: Appliance, account: str) -> list[str]:
    """Each process finds out for itself that its connections to the database are no more."""
    found: list[str] = []

    def look() -> bool:
        try:
            found[:] = subjects(appliance, account)
        except (imaplib.IMAP4.error, OSError):
            return False
        return True

    wait_until(look, seconds=BACK_WITHIN_S, what="IMAP is back")
    return found


def answer_or_close(appliance: Appliance, data: bytes) -> tuple[int, bytes]:
    """0 for a connection that was closed."""
    try:
        return send(appliance, data, READER)
    except (OSError, smtplib.SMTPServerDisconnected):
        return 0, b""
