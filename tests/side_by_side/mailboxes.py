"""Sets of messages, laid into Maildir folders: same files, same order, same times for every server.

A set is tests/corpus ("corpus"), the folder that MAIL_CORPUS names ("real"), nothing ("empty"), or a file of
messages/: each message begins after a line `%%% flags=FS date=2024-02-29T12:00:00Z`, both optional.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FOLDER = Path(__file__).parent
CORPUS = FOLDER.parent / "corpus"
# 2024-01-01 12:00 UTC and on, so that a message's place can be told from its time.
FIRST_TIME, STEP_S = 1_704_110_400, 3_671
# Maildir flags in turn, where a set does not say which.
LETTERS = ("", "S", "F", "RS", "", "DS", "FS", "T")


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One file to be."""

    name: str
    content: bytes
    letters: str
    time: float


def message_set(name: str) -> list[StoredMessage] | None:
    """The messages of a set; None if this machine does not have it. Raises FileNotFoundError for an unknown name."""
    if name == "empty":
        return []
    if name == "corpus":
        return _of_files(sorted(CORPUS.glob("*.eml")), CORPUS)
    if name == "real":
        folder = os.environ.get("MAIL_CORPUS", "")
        return _of_files(sorted(filter(Path.is_file, Path(folder).rglob("*"))), Path(folder)) if folder else None
    return _of_text((FOLDER / "messages" / f"{name}.txt").read_bytes())


def lay(folder: Path, messages: list[StoredMessage], own: Callable[[Path], None] = lambda path: None) -> None:
    """Write the messages as files of a Maildir folder that may exist; `own` gives each path to whom it belongs to."""
    for path in (folder, *(folder / part for part in ("tmp", "new", "cur"))):
        path.mkdir(parents=True, exist_ok=True)
        own(path)
    for number, message in enumerate(messages, 1):
        path = folder / "cur" / f"{1_000_000_000 + number}.M{number}P1.side:2,{message.letters}"
        path.write_bytes(message.content)
        os.utime(path, (message.time, message.time))
        own(path)


def _of_files(paths: list[Path], base: Path) -> list[StoredMessage]:
    return [_message(str(path.relative_to(base)), path.read_bytes(), n) for n, path in enumerate(paths)]


def _message(name: str, content: bytes, number: int, letters: str | None = None, time: float = 0.0) -> StoredMessage:
    letters = LETTERS[number % len(LETTERS)] if letters is None else letters
    return StoredMessage(name, content, letters, time or FIRST_TIME + number * STEP_S)


def _of_text(text: bytes) -> list[StoredMessage]:
    messages = []
    for number, piece in enumerate(text.split(b"%%%")[1:]):
        head, _, content = piece.partition(b"\n")
        told = dict(word.split("=", 1) for word in head.decode().split())
        time = datetime.fromisoformat(told["date"]).timestamp() if "date" in told else 0.0
        messages.append(_message(f"message {number + 1}", content, number, told.get("flags"), time))
    # Files that are found together are taken up by us in the order of their times, by Dovecot by name: so both are one.
    return sorted(messages, key=lambda message: message.time)
