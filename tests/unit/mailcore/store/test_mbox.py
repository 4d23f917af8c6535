"""mbox beside other programs: From_ lines, quoting, flags in header fields, locks, and unfinished rewrites."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.errors import MailboxInUse, MessageGone
from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, Flags
from mailcore.store.mbox import format, rewrite
from mailcore.store.mbox.lock import locked_for_reading, locked_for_writing
from mailcore.store.mbox.store import MboxStore

FROM = b"From ann@example.org Sat Feb 29 01:02:03 2020\n"


@pytest.fixture
def store(tmp_path):
    store = MboxStore(tmp_path / "mbox", lock_timeout_s=0.1)
    store.ensure_account()
    return store


@pytest.fixture
def inbox(store) -> Path:
    return store.file("INBOX")


def a_message(subject: str, body: str = "Hello\n") -> bytes:
    return f"Subject: {subject}\n\n{body}".encode()


def texts(store) -> list[bytes]:
    found = []
    for key in store.scan("INBOX").messages:
        with store.open("INBOX", key) as message:
            found.append(message.read())
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"From a@b Sat Feb 29 01:02:03 2020\n", "2020-02-29 01:02:03"),
        (b"From a@b  Sat Feb  1 01:02 2020\n", "2020-02-01 01:02:00"),
        (b"From MAILER-DAEMON Fri Jul 26 10:00:00 1996 +0200\n", "1996-07-26 08:00:00"),
        (b"From a@b Fri Jul 26 10:00:00 +0200 1996\n", "1996-07-26 08:00:00"),
        (b"From a b c Fri Jul 26 10:00:00 MET 1996\n", "1996-07-26 10:00:00"),
        (b"From Fri Jul 26 10:00:00 1996\r\n", "1996-07-26 10:00:00"),
        (b"From a@b Fri Jul 26 10:00:00 MET DST 1996\n", None),
        (b"From a@b Sat Feb 30 01:02:03 2020\n", "1970-01-01 00:00:00"),
        (b"From now on, Fri is free\n", None),
        (b"From a@b\n", None),
        (b"From: a@b Sat Feb 29 01:02:03 2020\n", None),
        (b">From a@b Sat Feb 29 01:02:03 2020\n", None),
    ],
)
def test_a_from_line_has_a_date(line, expected):
    found = format.FROM_LINE.match(line)

    assert (f"{format.date_of(found):%Y-%m-%d %H:%M:%S}" if found else None) == expected


def test_our_from_line_is_one_and_names_the_sender():
    at = datetime(2020, 2, 9, 1, 2, 3, tzinfo=UTC)

    line = format.from_line(b"Return-Path: <a@b>\nSubject: x\n\n", at)

    assert line == b"From a@b Sun Feb  9 01:02:03 2020\n"
    assert format.date_of(format.FROM_LINE.match(line)) == at
    assert format.from_line(b"Return-Path: <>\n", at).startswith(b"From MAILER-DAEMON ")
    assert format.from_line(b"Return-Path: <a b>\n", at).startswith(b"From MAILER-DAEMON ")


@given(st.lists(st.sampled_from([b">", b"From ", b"\n", b"x", b" "])).map(b"".join))
def test_quoting_is_undone(text):
    quoted = format.quote(text)

    assert format.unquote(quoted) == text
    assert not quoted.startswith(b"From ")
    assert b"\nFrom " not in quoted


def test_flags_of_mutt_are_read():
    header = (
        b"Subject: x\nStatus: RO\nX-Status: AF\nX-Keywords: work $Junk   \n\tfolded\nContent-Length: 7\nLines: 1\n\n"
    )

    assert format.flags_of(header) == Flags(SEEN | ANSWERED | FLAGGED, frozenset({"work", "$Junk", "folded"}))
    assert format.without_status(header) == b"Subject: x\n\n"
    assert format.flags_of(b"Status: O\nX-Status: DT\n\n") == Flags(DELETED | DRAFT)


def test_a_file_of_another_program_is_read(store, inbox):
    inbox.write_bytes(
        b"From a@b Fri Jul 26 10:00:00 1996\nSubject: 1\nStatus: RO\n\n>From the start\n\n"
        b"From a@b Fri Jul 26 10:00:01 1996\nSubject: 2\n\nno empty line behind\n"
        b"From a@b Fri Jul 26 10:00:02 1996\nSubject: 3\nX-Status: F\n\nlast"
    )

    scan = store.scan("INBOX")

    assert list(scan.messages.values()) == [Flags(SEEN), Flags(), Flags(FLAGGED)]
    assert [found.internal_date.second for found in store.describe("INBOX", scan.messages)] == [0, 1, 2]
    assert texts(store) == [
        b"Subject: 1\r\n\r\nFrom the start\r\n",
        b"Subject: 2\r\n\r\nno empty line behind\r\n",
        b"Subject: 3\r\n\r\nlast",
    ]


def test_appending_to_a_file_without_a_last_line_end(store, inbox):
    inbox.write_bytes(FROM + b"Subject: theirs\n\nno line end")

    store.append("INBOX", a_message("ours"))

    assert texts(store) == [b"Subject: theirs\r\n\r\nno line end\r\n", b"Subject: ours\r\n\r\nHello\r\n"]


def mutt_rewrites(inbox: Path, change) -> None:
    """What mutt does when it saves a changed mailbox: the same file, other status fields, lengths added."""
    parts = inbox.read_bytes().split(b"From ")[1:]
    new = []
    for number, part in enumerate(parts):
        header, _, body = part.partition(b"\n\n")
        kept = [line for line in header.split(b"\n") if not line.startswith((b"Status:", b"X-Status:"))]
        fields = change(number)
        if fields is not None:
            new.append(
                b"From " + b"\n".join([*kept, *fields, b"Content-Length: %d" % len(body), b"Lines: 1"]) + b"\n\n" + body
            )
    with inbox.open("r+b") as file:
        file.write(b"".join(new))
        file.truncate()


def test_keys_survive_a_rewrite_by_mutt_and_its_flags_are_seen(store, inbox):
    keys = [store.append("INBOX", a_message(str(n)), Flags(0, frozenset({"word"}))).key for n in range(3)]
    inbox.write_bytes(inbox.read_bytes() + FROM + b"Subject: theirs\n\ntheirs\n\n")
    theirs = list(store.scan("INBOX").messages)[3]

    mutt_rewrites(inbox, lambda n: None if n == 1 else [b"Status: RO", b"X-Status: F"])

    flags = Flags(SEEN | FLAGGED, frozenset({"word"}))
    assert store.scan("INBOX").messages == {keys[0]: flags, keys[2]: flags, theirs: Flags(SEEN | FLAGGED)}
    assert texts(store) == [
        b"Subject: 0\r\n\r\nHello\r\n",
        b"Subject: 2\r\n\r\nHello\r\n",
        b"Subject: theirs\r\n\r\ntheirs\r\n",
    ]


def test_the_same_message_twice_has_two_keys(store, inbox):
    store.append("INBOX", a_message("ours"))
    theirs = FROM + b"Subject: theirs\n\ntheirs\n\n"
    inbox.write_bytes(inbox.read_bytes() * 2 + theirs * 2)

    assert len(store.scan("INBOX").messages) == 4
    key = list(store.scan("INBOX").messages)[1]
    store.remove("INBOX", [(key, Flags())])

    assert len(store.scan("INBOX").messages) == 3


def test_flags_are_written_in_place_if_they_fit(store, inbox):
    key = store.append("INBOX", a_message("one")).key
    store.append("INBOX", a_message("two"))
    before = inbox.stat()

    store.set_flags("INBOX", [(key, Flags(), Flags(SEEN | FLAGGED | ANSWERED | DRAFT | DELETED, frozenset({"word"})))])

    after = inbox.stat()
    assert (after.st_size, after.st_ino) == (before.st_size, before.st_ino)
    assert b"Status: RO\nX-Status: ADFT\nX-Keywords: word" in inbox.read_bytes()


def test_a_rewrite_keeps_the_inode(store, inbox):
    keys = [store.append("INBOX", a_message(str(n))).key for n in range(3)]
    before = inbox.stat().st_ino

    store.remove("INBOX", [(keys[0], Flags())])

    assert inbox.stat().st_ino == before
    # Beside it only the record of the last append, which is complete.
    assert {path.name: path.stat().st_size > 0 for path in inbox.parent.iterdir()} == {
        "INBOX": True,
        "INBOX.append": False,
    }


def test_status_fields_that_came_with_a_message_are_not_flags(store):
    placed = store.append("INBOX", b"Status: RO\nX-Status: D\nX-Keywords: x\nX-Mailkeep-Id: forged\nSubject: s\n\n\n")

    assert store.scan("INBOX").messages == {placed.key: Flags()}
    assert texts(store) == [b"Subject: s\r\n\r\n\r\n"]


def unfinished(store, inbox: Path, monkeypatch) -> list[str]:
    """Four messages; a removal of the second died half-way over the file."""
    keys = [store.append("INBOX", a_message(str(n), f"{n}" * 9000 + "\n")).key for n in range(4)]
    real = rewrite.files.write_all

    def half(fd, block):
        if os.path.samefile(f"/proc/self/fd/{fd}", inbox) and len(block) > 8192:
            # The kernel stops between pages.
            real(fd, block[:8192])
            raise KeyboardInterrupt
        real(fd, block)

    monkeypatch.setattr(rewrite.files, "write_all", half)
    with pytest.raises(KeyboardInterrupt):
        store.remove("INBOX", [(keys[1], Flags())])
    monkeypatch.undo()
    assert rewrite.redo_file(inbox).exists()
    return keys


def test_an_unfinished_rewrite_is_finished_by_the_next_reader(store, inbox, monkeypatch):
    keys = unfinished(store, inbox, monkeypatch)

    assert list(store.scan("INBOX").messages) == [keys[0], keys[2], keys[3]]
    assert not rewrite.redo_file(inbox).exists()


def test_an_unfinished_rewrite_that_another_program_wrote_over_loses_nothing(store, inbox, monkeypatch):
    keys = unfinished(store, inbox, monkeypatch)
    inbox.write_bytes(FROM + b"Subject: theirs\n\nonly this is left\n\n")

    found = list(store.scan("INBOX").messages)

    assert found[1:] == [keys[2], keys[3]]
    assert texts(store)[0].endswith(b"only this is left\r\n")


LOCKER = """
import fcntl, sys, time
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_the_fcntl_lock_of_another_program_is_respected(store, inbox):
    child = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(inbox)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "locked\n"

    with pytest.raises(MailboxInUse):
        store.append("INBOX", a_message("x"))
    with pytest.raises(MailboxInUse):
        store.scan("INBOX")

    child.communicate()
    store.append("INBOX", a_message("x"))


def test_our_lock_is_seen_by_others(inbox):
    with locked_for_writing(inbox), inbox.open("r+b") as file:
        assert Path(f"{inbox}.lock").read_text() == f"{os.getpid()}\nmailkeep\n"
        # fcntl of the same process and another file: what another program would see.
        with pytest.raises(BlockingIOError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not Path(f"{inbox}.lock").exists()


def test_threads_of_one_process_exclude_each_other(inbox):
    inside, worst = [0], [0]

    def work():
        for _ in range(20):
            with locked_for_writing(inbox, 20):
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                with inbox.open("rb"):
                    # Closing another descriptor of the file would drop an ordinary fcntl lock.
                    pass
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert worst[0] == 1


def test_readers_do_not_exclude_readers(inbox):
    with locked_for_reading(inbox, 0.1), locked_for_reading(inbox, 0.1), pytest.raises(MailboxInUse):
        locked_for_writing(inbox, 0.05).__enter__()


SINCE_BOOT_S = time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize(
    ("text", "age_s", "is_stale"),
    [
        ("1\n", 0, False),
        ("999999999\n", 0, True),
        ("", 0, False),
        ("", 2000, True),
        # One of ours, whose process id somebody else has by now.
        ("1\nmailkeep\n", 0, True),
        # Left by a power cut: whole, or with a hole in place of its text.
        pytest.param("1\n", SINCE_BOOT_S + 3600, True, id="before the boot"),
        pytest.param("\0\0", SINCE_BOOT_S + 3600, True, id="before the boot, a hole"),
    ],
)
def test_dot_locks_of_the_dead_are_removed(store, inbox, text, age_s, is_stale):
    lock = Path(f"{inbox}.lock")
    lock.write_text(text)
    then = lock.stat().st_mtime - age_s
    os.utime(lock, (then, then))

    if is_stale:
        store.append("INBOX", a_message("x"))
    else:
        with pytest.raises(MailboxInUse):
            store.append("INBOX", a_message("x"))


def test_a_lock_on_a_mailbox_that_was_renamed_meanwhile_is_not_taken_for_it(inbox):
    started, got = threading.Event(), []

    def wait_for_it():
        started.set()
        with locked_for_writing(inbox, 10) as fd:
            got.append(os.path.samestat(os.fstat(fd), inbox.stat()))

    with locked_for_writing(inbox, 1):
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        started.wait()
        inbox.rename(inbox.with_name("Other"))
    thread.join()

    assert got == [True]


def test_a_message_that_is_gone(store):
    with pytest.raises(MessageGone):
        store.open("INBOX", "id:none")
    with pytest.raises(MessageGone):
        store.open("None", "id:none")


def test_keywords_that_no_client_could_be_told_are_none(store, inbox):
    """PostgreSQL has no NUL in text: one such keyword would keep the whole mailbox from being opened."""
    inbox.write_bytes(FROM + b"Status: RO\nX-Keywords: good \0\0\0 b(d \xff\nSubject: s\n\nbody\n\n")

    assert list(store.scan("INBOX").messages.values()) == [Flags(SEEN, frozenset({"good"}))]


def test_a_rewrite_is_finished_although_the_power_took_flags_of_before(store, inbox, monkeypatch):
    """The plan of a rewrite must tell what is on the disk: flags in place are not flushed on their own."""
    flushed: list[bytes] = []
    real = os.fsync
    key, other = (store.append("INBOX", a_message(str(n), f"{n}" * 9000 + "\n")).key for n in range(2))
    store.set_flags("INBOX", [(key, Flags(), Flags(SEEN))])
    monkeypatch.setattr(rewrite.os, "fsync", lambda fd: (flushed.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))

    store.remove("INBOX", [(key, Flags())])

    assert flushed[:2] == [str(inbox), f"{rewrite.redo_file(inbox)}-new"]
    assert list(store.scan("INBOX").messages) == [other]


def test_a_longer_rewrite_of_which_the_disk_has_zeros_is_finished(store, inbox, monkeypatch):
    keys = [store.append("INBOX", a_message(str(n), f"{n}" * 9000 + "\n")).key for n in range(2)]
    many = Flags(SEEN, frozenset(f"keyword{number}" for number in range(20)))
    with monkeypatch.context() as patched:
        patched.setattr(rewrite, "_finish", lambda *_: None)
        store.set_flags("INBOX", [(keys[0], Flags(), many)])
    with inbox.open("r+b") as file:
        file.truncate(inbox.stat().st_size + 100)

    assert store.scan("INBOX").messages == {keys[0]: many, keys[1]: Flags()}


@pytest.mark.parametrize("size", [90, 9000])
def test_a_rewrite_that_was_killed_before_the_file_was_cut_is_finished(store, inbox, monkeypatch, size):
    """The new tail is in its place, and behind it still stands the end of the old one."""
    keys = [store.append("INBOX", a_message(str(n), f"{n}" * (7000 if n == 1 else size) + "\n")).key for n in range(4)]
    expected = texts(store)
    with monkeypatch.context() as patched:
        patched.setattr(rewrite.os, "ftruncate", lambda fd, size: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.remove("INBOX", [(keys[1], Flags())])

    assert list(store.scan("INBOX").messages) == [keys[0], keys[2], keys[3]]
    assert texts(store) == [expected[0], *expected[2:]]
    assert not rewrite.redo_file(inbox).exists()
