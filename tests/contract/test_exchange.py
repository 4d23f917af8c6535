"""Several messages at once, and one for another: all or nothing, whatever moment a crash chooses."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailcore.errors import OverQuota
from mailcore.mailbox import replacing
from mailcore.mailbox.appending import append_all
from mailcore.message.flags import FLAGGED, Flags
from mailcore.store.exchange import Incoming
from mailcore.store.maildir import exchange as maildir_exchange
from tests.contract.mailbox_support import Owner, a_message, an_owner

LONG_AGO = datetime(2001, 9, 9, tzinfo=UTC)
"""What waits in tmp/ must not be taken for what a program left there when it died, however old the message is."""
MESSAGES = [
    Incoming(a_message("one"), Flags(), None),
    Incoming(a_message("two"), Flags(FLAGGED, frozenset({"later"})), LONG_AGO),
    Incoming(a_message("three"), Flags(), LONG_AGO),
]


class Crash(BaseException):
    """The process is gone at this moment."""


@pytest.fixture(name="owner", params=["maildir", "mbox"])
def an_owner_of_either_store(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Owner]:
    with an_owner(database_url, tmp_path, store=request.param) as owner:
        yield owner


@pytest.fixture(name="maildir")
def an_owner_of_a_maildir(database_url: str, tmp_path: Path) -> Iterator[Owner]:
    with an_owner(database_url, tmp_path) as owner:
        yield owner


def append(owner: Owner, *messages: Incoming) -> list[int]:
    return append_all(owner.conn, owner.storage, owner.account, "INBOX", messages or MESSAGES).uids


def replace(owner: Owner, uid: int, content: bytes) -> int:
    target = replacing.Target(owner.account, "INBOX")
    message = Incoming(content, Flags(FLAGGED), None)
    args = (owner.conn, owner.storage, owner.account, owner.record(), uid, target, message)
    return replacing.replace(*args).uids[0]


def subjects(owner: Owner) -> list[bytes]:
    """What is there after the next SELECT, by the files."""
    opened = owner.open()
    return [owner.read(uid).split(b"Subject: ")[1].split(b"\r\n")[0] for uid in opened.uids]


def files(owner: Owner) -> int:
    return len(owner.storage.store(owner.account).scan("INBOX").messages)


def test_all_are_there(owner: Owner) -> None:
    assert append(owner) == [1, 2, 3]
    assert subjects(owner) == [b"one", b"two", b"three"]
    assert owner.flags() == {1: [], 2: ["\\Flagged", "later"], 3: []}
    owner.assert_counters()


def test_one_for_another(owner: Owner) -> None:
    append(owner)

    assert replace(owner, 2, a_message("new")) == 4
    assert subjects(owner) == [b"one", b"three", b"new"]
    assert files(owner) == 3
    owner.assert_counters()


def test_what_the_database_refuses_leaves_nothing(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    append(owner)

    def refuse(*_: object) -> None:
        raise RuntimeError("refused")

    monkeypatch.setattr("mailcore.mailbox.appending.write_ledgers", refuse)
    monkeypatch.setattr("mailcore.mailbox.replacing.write_ledgers", refuse)
    with pytest.raises(RuntimeError):
        append(owner)
    with pytest.raises(RuntimeError):
        replace(owner, 2, a_message("new"))
    monkeypatch.undo()

    assert subjects(owner) == [b"one", b"two", b"three"]
    assert files(owner) == 3
    owner.assert_counters()


def test_more_than_the_quota_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    with an_owner(database_url, tmp_path, quota_bytes=200) as owner:
        with pytest.raises(OverQuota):
            append(owner)

        assert files(owner) == 0


def test_a_crash_before_the_commit_leaves_none_of_several(maildir: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    append(maildir)
    monkeypatch.setattr("mailcore.mailbox.appending.write_ledgers", crash)
    monkeypatch.setattr(maildir_exchange._Waiting, "undo", crash)
    with pytest.raises(Crash):
        append(maildir)
    monkeypatch.undo()

    assert subjects(maildir) == [b"one", b"two", b"three"]
    maildir.assert_counters()
    tmp = Path(maildir.storage.store(maildir.account).folder("INBOX")) / "tmp"  # type: ignore[attr-defined]
    assert len(list(tmp.iterdir())) == 3
    week = time.time() + 7 * 86400
    monkeypatch.setattr("mailcore.store.maildir.scan.time.time", lambda: week)
    (tmp.parent / "new" / "from.outside").write_bytes(a_message("four"))
    assert subjects(maildir) == [b"one", b"two", b"three", b"four"]
    assert not list(tmp.iterdir())


@pytest.mark.parametrize("renamed", range(4))
def test_a_crash_after_the_commit_leaves_all_of_several(
    maildir: Owner, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    """However many of them have got their names by then."""
    real = maildir_exchange.settle

    def settle_some(folder: str, messages: list[tuple[str, Flags]], **how: bool) -> list[str]:
        real(folder, messages[:renamed], **how)
        raise Crash

    monkeypatch.setattr(maildir_exchange, "settle", settle_some)
    with pytest.raises(Crash):
        append(maildir)
    monkeypatch.undo()

    assert sorted(subjects(maildir)) == [b"one", b"three", b"two"]
    assert maildir.flags() == {1: [], 2: ["\\Flagged", "later"], 3: []}
    assert files(maildir) == 3
    maildir.assert_counters()


def test_a_message_that_waits_for_its_name_can_be_read(maildir: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildir_exchange, "settle", crash)
    with pytest.raises(Crash):
        append(maildir)

    assert b"Subject: two" in maildir.read(2)


def test_a_crash_before_the_commit_keeps_the_one_to_be_replaced(
    maildir: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(maildir)
    monkeypatch.setattr("mailcore.mailbox.replacing.write_ledgers", crash)
    monkeypatch.setattr(maildir_exchange._Waiting, "undo", crash)
    with pytest.raises(Crash):
        replace(maildir, 2, a_message("new"))
    monkeypatch.undo()

    assert sorted(subjects(maildir)) == [b"one", b"three", b"two"]
    assert maildir.flags() == {1: [], 2: ["\\Flagged", "later"], 3: []}
    maildir.assert_counters()


def test_a_crash_after_the_commit_has_replaced_it(maildir: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    append(maildir)
    monkeypatch.setattr("mailcore.mailbox.replacing._all", crash)
    with pytest.raises(Crash):
        replace(maildir, 2, a_message("new"))
    monkeypatch.undo()

    assert subjects(maildir) == [b"one", b"three", b"new"]
    assert files(maildir) == 3
    maildir.assert_counters()


def test_somebody_who_logs_in_meanwhile_takes_nothing_away(maildir: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    real = maildir_exchange.settle

    def log_in(folder: str, messages: list[tuple[str, Flags]], **how: bool) -> list[str]:
        maildir.storage.store(maildir.account).ensure_account()
        return real(folder, messages, **how)

    monkeypatch.setattr(maildir_exchange, "settle", log_in)
    append(maildir)
    replace(maildir, 2, a_message("new"))

    assert subjects(maildir) == [b"one", b"three", b"new"]


@pytest.mark.parametrize("moment", ["mailcore.mailbox.replacing.write_ledgers", "mailcore.mailbox.replacing._all"])
def test_after_a_crash_nobody_looks_for_a_week(maildir: Owner, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    append(maildir)
    monkeypatch.setattr(moment, crash)
    monkeypatch.setattr(maildir_exchange._Waiting, "undo", crash)
    with pytest.raises(Crash):
        replace(maildir, 2, a_message("new"))
    monkeypatch.undo()
    week = time.time() + 7 * 86400
    monkeypatch.setattr("mailcore.store.maildir.scan.time.time", lambda: week)

    maildir.storage.store(maildir.account).ensure_account()

    assert len(subjects(maildir)) == 3
    maildir.assert_counters()


def crash(*_: object, **__: object) -> None:
    raise Crash
