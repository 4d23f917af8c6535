"""The keywords of one Maildir folder: line n of its file `keywords` belongs to the n-th letter from a to z.

A line is never changed or reused, so a letter in a file name means the same for ever. A folder that comes
from Dovecot is read by its file dovecot-keywords ("0 name" per line).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from mailcore.message.flags import is_keyword
from mailcore.store import files
from mailcore.store.maildir.filename import FORWARDED, MAX_KEYWORDS

_OURS = "keywords"
_DOVECOT = "dovecot-keywords"


def read(folder: str) -> list[str]:
    """The keywords by their letter; "" for a letter without one."""
    try:
        with open(os.path.join(folder, _OURS), encoding="utf-8", errors="replace") as lines:
            return [_known(line.rstrip("\n")) for line in lines][:MAX_KEYWORDS]
    except FileNotFoundError:
        return _read_dovecot(folder)


def add(folder: str, known: list[str], wanted: Iterable[str]) -> list[str]:
    """Give letters to those of `wanted` that have none while there are letters. Durable when it returns."""
    present = {keyword.lower() for keyword in known} | {FORWARDED.lower()}
    missing = sorted({name for name in wanted if name.lower() not in present and not _is_strange(name)})
    keywords = (known + missing)[:MAX_KEYWORDS]
    if len(keywords) > len(known):
        _write(folder, keywords)
    return keywords


def _known(line: str) -> str:
    return line if is_keyword(line) else ""


def _is_strange(keyword: str) -> bool:
    return not keyword or any(character.isspace() for character in keyword)


def _write(folder: str, keywords: list[str]) -> None:
    temporary = os.path.join(folder, f"{_OURS}.new")
    files.remove_quietly(temporary)
    fd = files.create_exclusively(temporary)
    try:
        files.write_all(fd, "".join(f"{keyword}\n" for keyword in keywords).encode())
        os.fdatasync(fd)
    except BaseException:
        files.remove_quietly(temporary)
        raise
    finally:
        os.close(fd)
    os.rename(temporary, os.path.join(folder, _OURS))
    files.sync_directory(folder)


def _read_dovecot(folder: str) -> list[str]:
    try:
        with open(os.path.join(folder, _DOVECOT), encoding="utf-8", errors="replace") as lines:
            pairs = [line.rstrip("\n").split(" ", 1) for line in lines]
    except FileNotFoundError:
        return []
    numbered = {int(pair[0]): _known(pair[1]) for pair in pairs if len(pair) == 2 and pair[0].isdigit()}
    last = min(max(numbered, default=-1), MAX_KEYWORDS - 1)
    return [numbered.get(number, "") for number in range(last + 1)]
