"""After a power cut: what journals hold and the disk has lost is made good, before anybody looks at a mailbox.

Whoever starts programs that serve mail runs this before (`python -m mailcore.delivery.recovery`, or `recover_home`);
smtpd and accessd do so themselves, and a queue worker looks every minute for a machine that stays dead. Journals of
processes that live are left alone, and mailboxes may be in use: each step is done under their locks. A session that
misses a file before this has run looks into the journals itself (mailcore.mailbox.missing).

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
from mailcore.store import files
from mailcore.store.folder_lock import FolderLock, is_recovering
from mailcore.store.journal import NAMES, UNNAMED, Entry, Place, journals, read_segment, remove_folder
from mailcore.store.maildir import deliver
from mailcore.store.restoring import Names, ensure, in_mailbox

__all__ = ["journals", "recover", "recover_home"]

Connection = psycopg.Connection[Any]
# Their mailboxes are locked for as long as it takes to write them again, and sessions wait for 5 s.
ENTRIES_AT_ONCE = 100
# A folder without a name is a matter of milliseconds; the clocks of two machines may differ.
ABANDONED_S = 3600.0
POLL_S = 0.1
RETRY_S = 1.0

log = get_logger(__name__)


def recover(conn: Connection, home: Path, *, wait: bool = True) -> int:
    """Make good what journals of dead processes hold; `wait` where somebody else does so now. Returns how many files
    were written again. Raises psycopg.Error and OSError: then it has to be done again.
    """
    restored = 0
    for folder in sorted(journals(home).glob("*")):
        if folder.name.startswith(UNNAMED):
            _remove_abandoned(folder)
        elif (lock := _take(folder, wait=wait)) is not None:
            try:
                restored += _replay(conn, home, folder)
                remove_folder(folder)
            finally:
                lock.release()
    return restored


def _take(folder: Path, *, wait: bool) -> FolderLock | None:
    """The lock of a dead process; also where somebody else began to recover and could not end."""
    while (lock := FolderLock.take(folder)) is None and wait and is_recovering(folder):
        time.sleep(POLL_S)
    return lock


def _remove_abandoned(folder: Path) -> None:
    """A folder whose maker died before it got its name: old, and nobody holds it. Nothing is kept in it."""
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
    names = Names()
    for entries in _batches(folder):
        contents = {place: entry.content for entry in entries for place in entry.places}
        with conn.transaction():
            # First of all, so that no session expunges, renames or flags between the look at a row and at its file.
            conn.execute(statements.LOCK_MAILBOXES, {"mailbox_ids": [place.mailbox_id for place in contents]})
            paths = _paths(conn, home, list(contents))
            promised = _promised(conn, list(contents))
            adopted = _remove(conn, {place: path for place, path in paths.items() if place not in promised}, names)
            for place in promised | adopted:
                restored += ensure(paths[place], contents[place], names)
        touched.update(map(os.path.dirname, paths.values()))
    _flush(touched)
    if restored:
        log.warning("recovered", journal=folder.name, files=restored)
    return restored


def _paths(conn: Connection, home: Path, places: Sequence[Place]) -> dict[Place, str]:
    """Where each belongs: the mailbox may have got another name since."""
    rows = conn.execute(statements.MAILBOX_NAMES, {"mailbox_ids": list({place.mailbox_id for place in places})})
    mailboxes: dict[int, str] = dict(rows.fetchall())
    return {place: in_mailbox(str(home / place.path), mailboxes.get(place.mailbox_id)) for place in places}


def _remove(conn: Connection, paths: Mapping[Place, str], names: Names) -> set[Place]:
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
