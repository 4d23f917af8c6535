"""Maildir file names: unique part, sizes, and flags after ":2,".

    1700000000.M12P34Q5Rabcdef.host,S=1024,W=1050:2,FSa

The part before ":" is the store key: no program changes it while the message exists. D, F, R, S, T are the
flags of the Maildir description, P is $Forwarded, a to z are keywords by their number in the mailbox's
`keywords` file. Letters of others are kept when a file is renamed. S= is the size as stored, W= that of the
wire form, as Dovecot writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, Flags

_LETTERS = (("D", DRAFT), ("F", FLAGGED), ("R", ANSWERED), ("S", SEEN), ("T", DELETED))
_BIT_OF = dict(_LETTERS)
FORWARDED = "$Forwarded"
MAX_KEYWORDS = 26
_NUMBER = re.compile(r"([0-9]+)")
_SIZES = re.compile(r",S=(\d+)(?:,W=(\d+))?")


def split(name: str) -> tuple[str, str]:
    """Key and flag letters of a file name."""
    key, _, information = name.partition(":")
    return key, information[2:] if information.startswith("2,") else ""


def join(key: str, letters: str) -> str:
    """The file name in cur/."""
    return f"{key}:2,{letters}"


def with_sizes(unique: str, disk_size: int, wire_size: int) -> str:
    """A key that tells the sizes of the message."""
    return f"{unique},S={disk_size},W={wire_size}"


def wire_size(key: str, disk_size: int) -> int | None:
    """The wire size that a key tells, if it also tells the true size on disk."""
    found = _SIZES.search(key)
    if not found or not found[2] or int(found[1]) != disk_size or int(found[2]) < disk_size:
        return None
    return int(found[2])


def sort_key(key: str) -> list[tuple[int, str]]:
    """Keys in the order in which they were made: their numbers are compared as numbers."""
    return [(int(part) if part.isascii() and part.isdigit() else 0, part) for part in _NUMBER.split(key)]


def letters_of(flags: Flags, keywords: Sequence[str], other: str = "") -> str:
    """Flag letters in ASCII order. Keywords not among `keywords` have no letter; `other` are letters to
    keep.
    """
    letters = {letter for letter, bit in _LETTERS if flags.bits & bit} | set(other)
    if flags.keywords:
        wanted = {keyword.lower() for keyword in flags.keywords}
        letters |= {chr(ord("a") + n) for n, keyword in enumerate(keywords) if keyword.lower() in wanted}
        if FORWARDED.lower() in wanted:
            letters.add("P")
    return "".join(sorted(letters))


def flags_of(letters: str, keywords: Sequence[str]) -> Flags:
    """The flags that `letters` stand for."""
    bits, names = 0, set()
    for letter in letters:
        number = ord(letter) - ord("a")
        if letter in _BIT_OF:
            bits |= _BIT_OF[letter]
        elif 0 <= number < len(keywords) and keywords[number]:
            names.add(keywords[number])
    if "P" in letters:
        names.add(FORWARDED)
    return Flags(bits, frozenset(names))


def other_letters(letters: str, keywords: Sequence[str]) -> str:
    """The letters that mean nothing to us."""
    ours = {*_BIT_OF, "P", *(chr(ord("a") + n) for n in range(len(keywords)))}
    return "".join(letter for letter in letters if letter not in ours)
