"""After a power cut: what journals hold and the disk has lost is made good, before anybody looks at a mailbox.

Whoever starts programs that serve mail runs this before (`python -m mailcore.delivery.recovery`, or `recover_home`);
smtpd and accessd do so themselves, and the hourly sweep of the spool does it for a machine that stays dead. Journals of
processes that live are left alone, and mailboxes may be in use: each step is done under their locks.

A content belongs where the journal says if its row was committed: then the file is written again unless it is there,
whole. Without a row nobody was told of the message: a file of it, whole or not, is removed. A file that a session took
up before is made good like those of the promised. Recovering twice changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from mailcore.index import statements
from mailcore.log import configure, get_logger
from mailcore.queue import operations
from mailcore.store import files, layout
from mailcore.store.folder_lock import FolderLock, is_recovering
from mailcore.store.journal import NAMES, UNNAMED, Entry, Place, read_segment, remove_folder
from mailcore.store.maildir import deliver

Connection = psycopg.Connection[Any]
# Their mailboxes are locked for as long as it takes to write them again, and sessions wait for 5 s.
ENTRIES_AT_ONCE = 100
# A folder without a name is a matter of milliseconds; the clocks of two machines may differ.
ABANDONED_S = 3600.0
POLL_S = 0.1
RETRY_S = 1.0

log = get_logger(__name__)


def journals(home: Path) -> Path:
    """The folder of all journals."""
    return home / "spool" / "journal"


def recover(conn: Connection, home: Path, *, wait: bool = True) -> int:
    """Make good what journals of dead processes hold; `wait` where somebody else does so now. Returns how many files
    were written again. Raises psycopg.Error and OSError: then it has to be done again.
    """
    restored = 0
    _remove_abandoned(home)
    for folder in sorted(path for path in journals(home).glob("*") if not path.name.startswith(UNNAMED)):
        lock = FolderLock.take(folder)
        if lock is not None:
            try:
                restored += _replay(conn, home, folder)
                remove_folder(folder)
            finally:
                lock.release()
        else:
            while wait and is_recovering(folder):
                time.sleep(POLL_S)
    return restored


def _remove_abandoned(home: Path) -> None:
    """Folders whose maker died before they got their names: old, and nobody holds them. Nothing is kept in them."""
    for folder in journals(home).glob(f"{UNNAMED}*"):
        with suppress(FileNotFoundError):  # it has got its name just now
            is_old = folder.stat().st_mtime < time.time() - ABANDONED_S
            if is_old and (lock := FolderLock.take(folder)) is not None:
                try:
                    remove_folder(folder)
                finally:
                    lock.release()


def _replay(conn: Connection, home: Path, folder: Path) -> int:
    restored = 0
    touched: set[str] = set()
    names = _Names()
    for entries in _batches(folder):
        contents = {place: entry.content for entry in entries for place in entry.places}
        with conn.transaction():
            # First of all, so that no session expunges, renames or flags between the look at a row and at its file.
            conn.execute(statements.LOCK_MAILBOXES, {"mailbox_ids": [place.mailbox_id for place in contents]})
            paths = _paths(conn, home, list(contents))
            promised = _promised(conn, list(contents))
            adopted = _remove(conn, {place: path for place, path in paths.items() if place not in promised}, names)
            for place in promised | adopted:
                restored += _ensure(paths[place], contents[place], names)
        touched.update(map(os.path.dirname, paths.values()))
    _flush(touched)
    if restored:
        log.warning("recovered", journal=folder.name, files=restored)
    return restored


def _paths(conn: Connection, home: Path, places: Sequence[Place]) -> dict[Place, str]:
    """Where each belongs: the mailbox may have got another name since."""
    rows = conn.execute(statements.MAILBOX_NAMES, {"mailbox_ids": list({place.mailbox_id for place in places})})
    mailboxes: dict[int, str] = dict(rows.fetchall())
    return {place: _in_mailbox(str(home / place.path), mailboxes.get(place.mailbox_id)) for place in places}


def _in_mailbox(path: str, mailbox: str | None) -> str:
    """The path of a message in the folder that this mailbox has in the same Maildir; None: it is no message."""
    if mailbox is None:
        return path
    above, name = os.path.split(path)
    folder, subfolder = os.path.split(above)
    maildir = os.path.dirname(folder) if os.path.basename(folder).startswith(".") else folder
    return os.path.join(maildir, layout.maildir_folder(mailbox), subfolder, name)


def _remove(conn: Connection, paths: Mapping[Place, str], names: _Names) -> set[Place]:
    """Files without a row, wherever they are; but those that a session has taken up in the meantime, with a row of
    its own, are returned.
    """
    places = [place for place in paths if place.mailbox_id]
    if not places:
        return set()
    keys = {"mailbox_ids": [place.mailbox_id for place in places], "store_keys": [_key(place) for place in places]}
    known = {row[0] for row in conn.execute(statements.KEYS_AMONG, keys)}
    adopted = {place for place in places if _key(place) in known}
    for place in places:
        if place not in adopted:
            for path in names.find(paths[place]):
                files.remove_quietly(path)
    return adopted


def _batches(folder: Path) -> Iterator[list[Entry]]:
    """The entries of both segments, some at a time: memory stays bounded."""
    some: list[Entry] = []
    for name in NAMES:
        for entry in read_segment(folder / name):
            some.append(entry)
            if len(some) == ENTRIES_AT_ONCE:
                yield some
                some = []
    if some:
        yield some


def _promised(conn: Connection, places: Sequence[Place]) -> set[Place]:
    """Those whose row was committed and is there, with the very file."""
    messages = {(place.mailbox_id, place.uid): place for place in places if place.mailbox_id}
    queued = {os.path.basename(place.path): place for place in places if not place.mailbox_id}
    numbers = {"mailbox_ids": [number for number, _ in messages], "uids": [uid for _, uid in messages]}
    rows = conn.execute(statements.STORE_KEYS_OF, numbers).fetchall()
    found = {messages[number, uid] for number, uid, key in rows if _key(messages[number, uid]) == key}
    return found | {queued[name] for name in operations.known_queue_ids(conn, list(queued))}


def _key(place: Place) -> str:
    return deliver.key_of(place.path)


def _ensure(path: str, content: bytes, names: _Names) -> bool:
    """See that the file is there with this content, wherever its flags have taken it. True if it was not."""
    found = names.find(path)
    whole = [name for name in found if _has(name, content)]
    # A rename that the disk has lost may have left it under two names; the later one has its flags.
    path = (whole or found or [path])[-1]
    for name in found:
        if name != path:
            files.remove_quietly(name)
    if whole:
        return False
    folder = os.path.dirname(path)
    if os.path.basename(folder) in deliver.SUBFOLDERS:
        deliver.create_folder(os.path.dirname(folder))
        temporary = os.path.join(os.path.dirname(folder), "tmp", os.path.basename(path))
    else:
        files.make_directory(folder)
        temporary = path + ".recovered"
    files.remove_quietly(temporary)
    fd = files.create_exclusively(temporary)
    try:
        files.write_all(fd, content)
        os.fdatasync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    return True


def _has(path: str, content: bytes) -> bool:
    with suppress(FileNotFoundError):
        return files.read(path) == content
    return False


class _Names:
    """Where files are now. A message may have moved from new/ to cur/ when somebody saw it, and got other flags; each
    Maildir folder is listed once, and again when something has moved since.
    """

    def __init__(self) -> None:
        self._listed: dict[str, dict[str, list[str]]] = {}

    def find(self, path: str) -> list[str]:
        """The names that the file has, perhaps none."""
        folder, name = os.path.split(os.path.dirname(path))
        if name not in ("new", "cur"):
            return [path] if os.path.exists(path) else []
        found = self._find(folder, deliver.key_of(path))
        if not all(map(os.path.exists, found)):
            del self._listed[folder]
            found = self._find(folder, deliver.key_of(path))
        return found

    def _find(self, folder: str, key: str) -> list[str]:
        if folder not in self._listed:
            self._listed[folder] = _list(folder)
        return self._listed[folder].get(key, [])


def _list(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    # cur/ last: a file that is just moving there is then seen once at least.
    for name in ("new", "cur"):
        with suppress(FileNotFoundError):
            for entry in os.listdir(f"{folder}/{name}"):
                found.setdefault(deliver.key_of(entry), []).append(f"{folder}/{name}/{entry}")
    return found


def _flush(folders: Iterable[str]) -> None:
    """Once for each file system that has any of them."""
    done: set[int] = set()
    for folder in folders:
        with suppress(FileNotFoundError):
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if os.fstat(fd).st_dev not in done:
                    files.sync_file_system(fd)
                    done.add(os.fstat(fd).st_dev)
            finally:
                os.close(fd)


def recover_home(dsn: str, home: Path) -> int:
    """`recover`, with a connection of its own; waits for the database as long as it takes. Quick if nothing is left."""
    while any(journals(home).glob("*/lock")):
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as conn:
                return recover(conn, home)
        except psycopg.OperationalError as error:
            log.warning("recovery_waits", error=str(error).strip())
            time.sleep(RETRY_S)
    return 0


if __name__ == "__main__":
    configure("recovery")
    recover_home(os.environ["DATABASE_URL"], Path(os.environ.get("MAIL_HOME") or "var").absolute())
