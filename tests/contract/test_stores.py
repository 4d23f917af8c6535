"""One behaviour of both stores, without a database: MessageStore is what Maildir and mbox have in common."""

import errno
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailcore.errors import MailboxExists, MailboxNotFound, MessageGone, StoreError, StoreFull, StoreUnavailable
from mailcore.identity import AccountRef
from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, NO_FLAGS, SEEN, Flags
from mailcore.message.wire import to_wire
from mailcore.store import files
from mailcore.store.maildir.store import MaildirStore
from mailcore.store.storage import Storage

MESSAGE = b"Return-Path: <ann@example.org>\nSubject: One\n\nHello\n"
AT = datetime(2020, 2, 29, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "mail", hostname="mx.mail.test", lock_timeout_s=0.2)


@pytest.fixture(params=["maildir", "mbox"])
def store(request, storage):
    store = storage.store(AccountRef(1, "bob@mail.test", request.param))
    store.ensure_account()
    return store


def read(store, key, mailbox="INBOX", flags=NO_FLAGS) -> bytes:
    with store.open(mailbox, key, flags) as message:
        return message.read()


def subjects(store, mailbox="INBOX") -> list[bytes]:
    scan = store.scan(mailbox)
    texts = [read(store, key, mailbox, flags) for key, flags in scan.messages.items()]
    return sorted(text.split(b"Subject: ")[1].split(b"\r\n")[0] for text in texts)


def a_message(subject: str, body: bytes = b"Hello\n") -> bytes:
    return f"Subject: {subject}\n\n".encode() + body


def test_an_account_can_be_made_twice(store):
    store.ensure_account()

    assert store.list_mailboxes() == ["INBOX"]
    assert store.is_present("INBOX")


def test_nothing_is_present_before_the_account_is_made(storage):
    for kind in ("maildir", "mbox"):
        store = storage.store(AccountRef(2, "new@mail.test", kind))
        assert not store.is_present("INBOX")
        assert store.list_mailboxes() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no line end",
        b"\n",
        b"\n\n\n",
        b"From the start\n",
        b">From quoted\n>>From twice\n",
        b"x\nFrom a@b Mon Jan  1 00:00:00 2024\nSubject: Smuggled\n\nnot a message\n",
        b"\nFrom a@b Mon Jan  1 00:00:00 2024\n",
        b"NUL \x00 and \xff\xfe and \xf0\x9f\x93\xa7\n",
        b"long " * 100_000 + b"\nFrom x\n",
        b"Status: RO\nX-Status: D\n",
        b".\n..\n",
    ],
)
def test_any_body_comes_back_in_wire_form(store, body):
    content = a_message("Any", body)
    placed = store.append("INBOX", content)
    store.append("INBOX", a_message("Next"))

    data = read(store, placed.key)

    # mbox cannot keep a last line without its end.
    assert data in (to_wire(content), to_wire(content + b"\n"))
    assert placed.size == len(data)
    assert len(store.scan("INBOX").messages) == 2
    assert {found.key: found.size for found in store.describe("INBOX", store.scan("INBOX").messages)}[
        placed.key
    ] == len(data)


def test_sizes_and_ranges_are_of_the_wire_form(store):
    content = a_message("Ranges", b"".join(b"line %d\n" % n for n in range(40_000)))
    wire = to_wire(content)
    placed = store.append("INBOX", content)

    with store.open("INBOX", placed.key) as message:
        assert message.wire_size == len(wire)
        assert b"".join(message.chunks(1000)) == wire
        for start, length in ((0, 10), (65535, 3), (len(wire) - 5, 100), (len(wire), 1), (12, 0), (300_000, 65536)):
            assert message.read_range(start, length) == wire[start : start + length]


def test_content_may_be_a_file_that_stays_the_callers(store, tmp_path):
    source = tmp_path / "content"
    source.write_bytes(MESSAGE)

    placed = store.append("INBOX", source, Flags(SEEN), AT)
    source.write_bytes(b"changed in place" * 10)

    assert placed.size == len(to_wire(MESSAGE))
    assert source.read_bytes().startswith(b"changed")


def test_large_content_in_a_file(store, tmp_path):
    source = tmp_path / "content"
    content = a_message("Large", b"From x\n" + b"0123456789abcdef\n" * 400_000)
    source.write_bytes(content)

    placed = store.append("INBOX", source)

    assert read(store, placed.key) == to_wire(content)


def test_the_date_is_kept_to_the_second(store):
    placed = store.append("INBOX", MESSAGE, internal_date=AT)

    [found] = store.describe("INBOX", [placed.key])

    assert found.internal_date == AT


ALL_FLAGS = Flags(SEEN | ANSWERED | FLAGGED | DELETED | DRAFT, frozenset({"$Forwarded", "$Junk", "Ü", "a" * 100}))


@pytest.mark.parametrize("flags", [Flags(), Flags(SEEN), Flags(DRAFT), Flags(0, frozenset({"$Forwarded"})), ALL_FLAGS])
@pytest.mark.parametrize("before", [Flags(), Flags(FLAGGED | SEEN), ALL_FLAGS])
def test_flags_are_what_a_scan_finds(store, before, flags):
    placed = store.append("INBOX", MESSAGE, before)
    store.append("INBOX", MESSAGE, Flags(ANSWERED))
    assert store.scan("INBOX").messages[placed.key] == before

    store.set_flags("INBOX", [(placed.key, before, flags)])

    scan = store.scan("INBOX")
    assert scan.messages[placed.key] == flags
    assert sorted(scan.messages.values(), key=str) == sorted([flags, Flags(ANSWERED)], key=str)
    assert read(store, placed.key, flags=flags) == to_wire(MESSAGE)


def test_wrong_ideas_of_the_flags_cost_a_search_only(store):
    placed = store.append("INBOX", MESSAGE, Flags(SEEN))

    assert read(store, placed.key, flags=Flags(DRAFT)) == to_wire(MESSAGE)
    store.set_flags("INBOX", [(placed.key, Flags(DRAFT), Flags(FLAGGED))])

    assert store.scan("INBOX").messages == {placed.key: Flags(FLAGGED)}


def test_removing_takes_only_what_is_named(store):
    keys = [store.append("INBOX", a_message(str(n)), Flags(SEEN if n % 2 else 0)).key for n in range(5)]

    store.remove("INBOX", [(keys[1], Flags(SEEN)), (keys[4], Flags()), ("not there", Flags())])

    assert subjects(store) == [b"0", b"2", b"3"]
    with pytest.raises(MessageGone):
        store.open("INBOX", keys[1])
    assert store.describe("INBOX", [keys[1]]) == []


def test_many_messages_are_read_at_once(store):
    messages = [a_message(str(n)) + b"line\n" * n * 1000 for n in range(3)]
    keys = [store.append("INBOX", message, Flags(SEEN)).key for message in messages]
    asked = [(keys[2], Flags(SEEN)), ("not there", Flags()), (keys[0], Flags(FLAGGED)), (keys[1], Flags(SEEN))]

    assert store.read_each("INBOX", asked) == [to_wire(messages[2]), None, to_wire(messages[0]), to_wire(messages[1])]
    assert store.read_each("INBOX", asked[:1], at_most=40) == [to_wire(messages[2][:40])]


def test_copies_and_moves_keep_flags_date_and_content(store):
    store.create_mailbox("Target")
    flags = Flags(SEEN, frozenset({"word"}))
    placed = store.append("INBOX", MESSAGE, flags, AT)

    [copied, gone] = store.copy("INBOX", [(placed.key, flags, AT), ("not there", Flags(), AT)], "Target")
    [moved] = store.move("INBOX", [(placed.key, flags, AT)], "Target")

    assert gone is None
    assert store.scan("INBOX").messages == {}
    assert store.scan("Target").messages == {copied.key: flags, moved.key: flags}
    for found in store.describe("Target", [copied.key, moved.key]):
        assert (found.size, found.internal_date) == (placed.size, AT)
        assert read(store, found.key, "Target", flags) == to_wire(MESSAGE)


@pytest.mark.parametrize("how", ["copy", "move"])
def test_the_same_mailbox_may_be_the_target(store, how):
    placed = store.append("INBOX", MESSAGE)

    [again] = getattr(store, how)("INBOX", [(placed.key, Flags(), AT)], "INBOX")

    expected = {placed.key, again.key} if how == "copy" else {again.key}
    assert set(store.scan("INBOX").messages) == expected


def test_a_target_must_exist(store):
    placed = store.append("INBOX", MESSAGE)

    for transfer in (store.copy, store.move):
        with pytest.raises(MailboxNotFound):
            transfer("INBOX", [(placed.key, Flags(), AT)], "None")

    assert read(store, placed.key) == to_wire(MESSAGE)


NAMES = [
    "A",
    "A/B",
    "A/B/C",
    "a.b",
    "A.sbd",
    "A.lock",
    "..",
    "../..",
    ".",
    "-x",
    " ",
    "Entwürfe",
    "日本語",
    "&",
    "a&b-",
    "~x",
]


def test_mailboxes_of_any_name_live_side_by_side(store, tmp_path):
    for name in NAMES:
        store.create_mailbox(name)
        store.create_mailbox(name)
        store.append(name, a_message(f"in {len(name)}{name.encode().hex()}"))

    assert store.list_mailboxes() == ["INBOX", *sorted(NAMES)]
    for name in NAMES:
        assert subjects(store, name) == [f"in {len(name)}{name.encode().hex()}".encode()]
    assert [path.name for path in tmp_path.iterdir()] == ["mail"]
    assert [path.name for path in (tmp_path / "mail" / "mail.test").iterdir()] == ["bob"]


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("../x@mail.test", "mail.test/%2E.%2Fx"),
        ("..@..", "%2E./%2E."),
        ("a/b@mail.test", "mail.test/a%2Fb"),
        ("a\0b@mail.test", "mail.test/a%00b"),
        ("%2e@mail.test", "mail.test/%252e"),
        (".hidden@mail.test", "mail.test/%2Ehidden"),
    ],
)
def test_no_address_leads_out_of_the_mail_root(storage, tmp_path, address, folder):
    for kind in ("maildir", "mbox"):
        storage.store(AccountRef(1, address, kind)).ensure_account()

    made = {path for path in tmp_path.rglob("*") if path.is_dir()}
    assert tmp_path / "mail" / folder in made
    assert all(path.resolve().is_relative_to(tmp_path / "mail") for path in made)


@pytest.mark.parametrize("address", ["nobody", "@mail.test", "bob@", "x" * 300 + "@mail.test"])
def test_what_is_no_address_has_no_folder(storage, address):
    with pytest.raises(StoreError):
        storage.store(AccountRef(1, address)).ensure_account()


def test_deleting_and_renaming_leave_others_alone(store):
    for name in ("A", "A/B", "C"):
        store.create_mailbox(name)
        store.append(name, a_message(name))

    store.delete_mailbox("A")
    store.delete_mailbox("Not there")
    store.rename_mailbox("A/B", "D/E")
    with pytest.raises(MailboxExists):
        store.rename_mailbox("C", "D/E")

    assert store.list_mailboxes() == ["C", "D/E", "INBOX"] or store.list_mailboxes() == ["INBOX", "C", "D/E"]
    assert subjects(store, "D/E") == [b"A/B"]
    assert subjects(store, "C") == [b"C"]


def test_a_state_holds_until_somebody_changes_something(store, monkeypatch):
    monkeypatch.setattr("mailcore.store.maildir.scan._CLOCK_TICK_NS", 0)
    placed = store.append("INBOX", MESSAGE)
    state = store.scan("INBOX").state
    assert store.is_unchanged("INBOX", state)
    assert not store.is_unchanged("INBOX", ())

    for change in (
        lambda: store.append("INBOX", MESSAGE),
        lambda: store.set_flags("INBOX", [(placed.key, Flags(), Flags(SEEN))]),
        lambda: store.remove("INBOX", [(placed.key, Flags(SEEN))]),
    ):
        state = store.scan("INBOX").state
        change()
        assert not store.is_unchanged("INBOX", state)


def test_a_quick_look_never_says_yes_to_anything_but_new_messages(store, monkeypatch):
    monkeypatch.setattr("mailcore.store.maildir.scan._CLOCK_TICK_NS", 0)
    seen = store.append("INBOX", MESSAGE, Flags(SEEN))
    state = store.scan("INBOX").state
    store.append("INBOX", MESSAGE)

    assert not store.only_gained("INBOX", state, 3)
    assert not store.only_gained("INBOX", (), 2)
    store.set_flags("INBOX", [(seen.key, Flags(SEEN), Flags())])
    assert not store.only_gained("INBOX", state, 2)
    assert not store.only_gained("No such", state, 2)


def test_a_quick_look_at_a_maildir_knows_deliveries(tmp_path, monkeypatch):
    monkeypatch.setattr("mailcore.store.maildir.scan._CLOCK_TICK_NS", 0)
    store = MaildirStore(tmp_path / "Maildir", "mx.mail.test")
    store.ensure_account()
    store.append("INBOX", MESSAGE, Flags(SEEN))
    state = store.scan("INBOX").state

    store.append("INBOX", MESSAGE)

    assert store.only_gained("INBOX", state, 2)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreUnavailable)]
)
def test_what_the_disk_says_is_told_apart(store, monkeypatch, number, error):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "write_all", fail)

    with pytest.raises(StoreUnavailable) as caught:
        store.append("INBOX", MESSAGE)

    assert type(caught.value) is error


STEPS = ["write_all", "fdatasync", "fsync", "link_or_copy", "rename"]


@pytest.mark.parametrize("step", STEPS)
def test_an_append_that_fails_at_any_step_leaves_the_mailbox_as_it_was(store, tmp_path, monkeypatch, step):
    store.append("INBOX", a_message("before"))
    before = tree(tmp_path)
    failed = []

    def fail(*args, **kwargs):
        failed.append(step)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files if step in ("write_all", "link_or_copy") else os, step, fail)
    with suppress(StoreUnavailable):
        store.append("INBOX", a_message("second"))
    monkeypatch.undo()

    if failed and step != "fsync":
        assert tree(tmp_path) == before
    # A name that could not be made durable may be there: nobody was told of it.
    assert subjects(store)[:1] == [b"before"]
    store.append("INBOX", a_message("third"))
    assert subjects(store)[-1] == b"third"


class Killed(BaseException):
    """The process ends here; nothing is cleaned up."""


def calls_of(monkeypatch, names, die_at):
    """Count calls of file operations and die at the one with that number."""
    count = [0]
    for name in names:
        real = getattr(os, name)

        def step(*args, real=real, **kwargs):
            count[0] += 1
            if count[0] == die_at:
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, step)
    return count


DANGEROUS = ["fsync", "fdatasync", "rename", "ftruncate", "write", "pwrite", "unlink", "link"]


@pytest.mark.parametrize("die_at", range(1, 26))
@pytest.mark.parametrize("work", ["remove", "flags", "move"])
def test_a_process_killed_at_any_step_loses_no_other_message(store, tmp_path, monkeypatch, work, die_at):
    store.create_mailbox("Target")
    keys = [store.append("INBOX", a_message(str(n), b"x" * 5000 + b"\n"), Flags(SEEN)).key for n in range(6)]
    many = frozenset(f"keyword-that-needs-room-{n}" for n in range(9))
    count = calls_of(monkeypatch, DANGEROUS, die_at)
    # What a dead process could not do any more, it does not do here either.
    monkeypatch.setattr(files, "remove_quietly", lambda path: os.unlink(path) if os.path.exists(path) else None)

    try:
        if work == "remove":
            store.remove("INBOX", [(keys[1], Flags(SEEN)), (keys[3], Flags(SEEN))])
        elif work == "flags":
            store.set_flags("INBOX", [(keys[n], Flags(SEEN), Flags(FLAGGED, many)) for n in (1, 3)])
        else:
            store.move("INBOX", [(keys[n], Flags(SEEN), AT) for n in (1, 3)], "Target")
    except Killed:
        pass
    monkeypatch.undo()
    for lock in tmp_path.rglob("*.lock"):
        lock.unlink()

    kind = "mbox" if (tmp_path / "mail/mail.test/bob/mbox").exists() else "maildir"
    again = Storage(tmp_path / "mail").store(AccountRef(1, "bob@mail.test", kind))
    left, moved = subjects(again), subjects(again, "Target")
    must = {b"0", b"2", b"4", b"5"} | ({b"1", b"3"} if work != "remove" else set())
    assert must <= set(left) | set(moved)
    assert len(left) == len(set(left)), "a message is there twice"
    for mailbox in ("INBOX", "Target"):
        for key, flags in again.scan(mailbox).messages.items():
            assert read(again, key, mailbox, flags).endswith(b"\r\n\r\n" + b"x" * 5000 + b"\r\n")
    again.append("INBOX", a_message("afterwards"))
    assert subjects(again)[-1] == b"afterwards"
    if count[0] < die_at:
        assert sorted(left) == sorted(must - set(moved) if work != "remove" else must)
