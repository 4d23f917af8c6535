"""Maildir beside other Maildir programs: names they give, files they move, add and remove."""

import errno
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, Flags
from mailcore.store.maildir import filename, keywords
from mailcore.store.maildir.store import MaildirStore

MESSAGE = b"Subject: One\n\nHello\n"
ALL_BITS = SEEN | ANSWERED | FLAGGED | DELETED | DRAFT


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "Maildir"


@pytest.fixture
def store(folder):
    store = MaildirStore(folder, "mx.mail.test")
    store.ensure_account()
    return store


def names(folder: Path, subfolder: str) -> list[str]:
    return sorted(os.listdir(folder / subfolder))


@pytest.mark.parametrize(
    ("name", "key", "letters"),
    [
        ("1.2.host", "1.2.host", ""),
        ("1.2.host:2,", "1.2.host", ""),
        ("1.2.host,S=5,W=6:2,FSa", "1.2.host,S=5,W=6", "FSa"),
        ("1.2.host:1,experimental", "1.2.host", ""),
        ("1.2.host:2,S:2,F", "1.2.host", "S:2,F"),
    ],
)
def test_names_of_others_are_split(name, key, letters):
    assert filename.split(name) == (key, letters)


def test_flag_letters_are_in_ascii_order_and_those_of_others_stay():
    words = ["one", "two", "three"]
    flags = Flags(ALL_BITS, frozenset({"THREE", "one", "$forwarded", "unnamed"}))

    letters = filename.letters_of(flags, words, other="XZz")

    assert letters == "DFPRSTXZacz"
    assert filename.flags_of(letters, words) == Flags(ALL_BITS, frozenset({"one", "three", "$Forwarded"}))
    assert filename.other_letters(letters, words) == "XZz"


@pytest.mark.parametrize(
    ("key", "disk_size", "expected"),
    [
        ("1.h,S=10,W=12", 10, 12),
        ("1.h,S=10,W=12", 11, None),
        ("1.h,S=10", 10, None),
        ("1.h", 3, None),
        ("1,S=9,W=2", 9, None),
    ],
)
def test_sizes_in_a_name_are_believed_if_they_can_be_true(key, disk_size, expected):
    assert filename.wire_size(key, disk_size) == expected


def test_a_delivered_message_is_in_new_and_one_with_flags_in_cur(store, folder):
    store.append("INBOX", MESSAGE)
    store.append("INBOX", MESSAGE, Flags(SEEN))

    assert len(names(folder, "new")) == 1
    [name] = names(folder, "cur")
    assert name.endswith(f",S={len(MESSAGE)},W={len(MESSAGE) + 3}:2,S")


def test_files_and_folders_are_private(store, folder):
    store.append("INBOX", MESSAGE)
    store.create_mailbox("A")

    modes = {path.stat().st_mode & 0o077 for path in folder.rglob("*")}
    assert modes == {0}
    assert (folder / ".A" / "maildirfolder").exists()


def test_select_moves_new_mail_to_cur(store, folder):
    placed = store.append("INBOX", MESSAGE)

    scan = store.scan("INBOX", take_new=True)

    assert scan.messages == {placed.key: Flags()}
    assert names(folder, "new") == []
    assert names(folder, "cur") == [f"{placed.key}:2,"]


def test_mail_that_others_drop_in_is_found_with_its_size_and_date(store, folder):
    (folder / "new" / "1700000000.1.other").write_bytes(MESSAGE)
    (folder / "cur" / "1700000001.2.other:2,FS").write_bytes(b"with\r\nboth\n")
    (folder / "cur" / ".hidden").write_bytes(b"not mail")
    os.utime(folder / "new" / "1700000000.1.other", (1_600_000_000, 1_600_000_000))

    scan = store.scan("INBOX")
    first, second = store.describe("INBOX", scan.messages)

    assert scan.messages == {"1700000000.1.other": Flags(), "1700000001.2.other": Flags(FLAGGED | SEEN)}
    assert (first.key, first.size, first.internal_date.timestamp()) == ("1700000000.1.other", 23, 1_600_000_000)
    assert (second.key, second.size) == ("1700000001.2.other", 12)


def test_a_message_is_found_wherever_another_program_moved_it(store, folder):
    placed = store.append("INBOX", MESSAGE)
    os.rename(folder / "new" / placed.key, folder / "cur" / f"{placed.key}:2,RSX")

    with store.open("INBOX", placed.key, Flags()) as message:
        assert message.disk_size == len(MESSAGE)
    store.set_flags("INBOX", [(placed.key, Flags(), Flags(FLAGGED))])

    assert names(folder, "cur") == [f"{placed.key}:2,FX"]
    store.remove("INBOX", [(placed.key, Flags(SEEN))])
    assert names(folder, "cur") == []


def test_keywords_get_letters_that_are_never_given_again(store, folder):
    first = store.append("INBOX", MESSAGE, Flags(0, frozenset({"b", "a"})))
    store.set_flags("INBOX", [(first.key, Flags(0, frozenset({"b", "a"})), Flags())])
    store.append("INBOX", MESSAGE, Flags(0, frozenset({"c", "A"})))

    assert keywords.read(str(folder)) == ["a", "b", "c"]
    assert sorted(flags.names() for flags in store.scan("INBOX").messages.values()) == [[], ["a", "c"]]


def test_only_26_keywords_have_letters_and_the_scan_says_which(store):
    words = frozenset(f"word{number:02}" for number in range(30))

    placed = store.append("INBOX", MESSAGE, Flags(0, words))

    scan = store.scan("INBOX")
    assert scan.nameable == {*sorted(words)[:26], "$Forwarded"}
    assert scan.messages[placed.key].keywords == set(sorted(words)[:26])


def test_a_folder_from_dovecot_keeps_its_keywords(store, folder):
    (folder / "dovecot-keywords").write_text("0 $Junk\n2 later\n")
    (folder / "cur" / "1.other:2,Sac").write_bytes(MESSAGE)

    assert store.scan("INBOX").messages == {"1.other": Flags(SEEN, frozenset({"$Junk", "later"}))}
    store.append("INBOX", MESSAGE, Flags(0, frozenset({"new"})))
    assert keywords.read(str(folder)) == ["$Junk", "", "later", "new"]


def in_hours(monkeypatch, hours):
    """The inode's time cannot be set."""
    then = time.time() + hours * 3600
    monkeypatch.setattr("mailcore.store.maildir.scan.time.time", lambda: then)


@pytest.mark.parametrize(("hours", "left"), [(35, ["half"]), (37, [])])
def test_what_died_in_tmp_is_removed_after_36_hours(store, folder, monkeypatch, hours, left):
    (folder / "tmp" / "half").write_bytes(b"half")
    in_hours(monkeypatch, hours)

    store.tidy("INBOX")

    assert names(folder, "tmp") == left


def test_the_date_of_a_message_that_waits_there_is_not_how_long_it_waits(store, folder):
    (folder / "tmp" / "waiting").write_bytes(MESSAGE)
    os.utime(folder / "tmp" / "waiting", (1, 1))

    store.tidy("INBOX")

    assert names(folder, "tmp") == ["waiting"]


def test_mailboxes_that_were_being_deleted_go_with_all_that_is_in_them(store, folder, monkeypatch):
    store.create_mailbox("Sent")
    for above in (folder, folder / ".Sent"):
        (above / "tmp" / "deleted.1").mkdir()
        (above / "tmp" / "deleted.1" / "message").write_bytes(b"gone")
    in_hours(monkeypatch, 37)

    store.tidy("INBOX")
    store.tidy("Sent")

    assert names(folder, "tmp") == names(folder / ".Sent", "tmp") == []


def test_a_state_that_is_too_young_is_not_trusted(store, folder, monkeypatch):
    store.append("INBOX", MESSAGE)
    young = store.scan("INBOX").state
    for name in ("new", "cur"):
        os.utime(folder / name, (time.time() - 60,) * 2)
    old = store.scan("INBOX").state

    assert young == ()
    assert store.is_unchanged("INBOX", old)


def test_copies_are_hard_links(store, folder):
    store.create_mailbox("A")
    placed = store.append("INBOX", MESSAGE)
    [found] = store.describe("INBOX", [placed.key])

    store.copy("INBOX", [(placed.key, Flags(), found.internal_date)], "A")

    [file] = (folder / ".A" / "cur").iterdir()
    assert file.stat().st_nlink == 2


def test_folders_of_others_that_are_no_maildirs_are_no_mailboxes(store, folder):
    (folder / ".no-maildir").mkdir()
    (folder / ".file").write_bytes(b"")
    (folder / ".Not.Ours&").mkdir()
    (folder / ".Not.Ours&" / "cur").mkdir()

    assert store.list_mailboxes() == ["INBOX"]


def test_messages_of_one_moment_are_in_the_order_of_their_names(store, folder):
    for name in ("17.M100P1Q9Rab.h", "17.M99P1Q10Rab.h", "17.M100P1Q10Rab.h", "16.x", "other²"):
        (folder / "new" / name).write_bytes(MESSAGE)
        os.utime(folder / "new" / name, (1_600_000_000, 1_600_000_000))

    found = [message.key for message in store.describe("INBOX", store.scan("INBOX").messages)]

    assert found == ["16.x", "17.M99P1Q10Rab.h", "17.M100P1Q9Rab.h", "17.M100P1Q10Rab.h", "other²"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EMLINK])
def test_where_a_link_cannot_be_made_there_is_a_copy(store, folder, tmp_path, monkeypatch, number):
    source = tmp_path / "incoming"
    source.write_bytes(MESSAGE)
    real = os.link

    def no_link(old, new):
        if old == str(source):
            raise OSError(number, os.strerror(number))
        real(old, new)

    monkeypatch.setattr(os, "link", no_link)

    placed = store.append("INBOX", source)

    assert (folder / "new" / placed.key).read_bytes() == MESSAGE
    assert names(folder, "tmp") == []


def test_an_appended_file_is_copied_so_that_its_date_is_its_own(store, folder, tmp_path):
    source = tmp_path / "incoming"
    source.write_bytes(MESSAGE)
    before = source.stat().st_mtime

    placed = store.append("INBOX", source, internal_date=datetime(2020, 1, 1, tzinfo=UTC))

    assert source.stat().st_mtime == before
    assert (folder / "new" / placed.key).stat().st_mtime == datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_keywords_that_no_client_could_be_told_are_none(tmp_path):
    (tmp_path / "keywords").write_bytes(b"good\n\0\0\0\nb(d\nlast\n")

    assert keywords.read(str(tmp_path)) == ["good", "", "", "last"]
