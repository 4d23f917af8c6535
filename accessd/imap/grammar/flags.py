"""Flags on the wire: `(\\Seen $Forwarded)` (RFC 3501 sections 2.3.2 and 9).

\\Recent belongs to the server and is no flag of the grammar: who sends it is told so, as by Dovecot, and not led to
believe that it was set.
"""

from collections.abc import Iterable

from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.message.flags import SYSTEM_FLAGS, Flags

_BITS = {name.upper(): bit for name, bit in SYSTEM_FLAGS.items()}
MAX_KEYWORD_BYTES = 128

BITS_TEXT: tuple[bytes, ...] = tuple(
    " ".join(name for name, bit in SYSTEM_FLAGS.items() if bits & bit).encode("ascii") for bits in range(32)
)
"""The system flags of each of the 32 values of the bits, ready to write."""


def read_flag(scanner: Scanner) -> str:
    """flag: a system flag or a keyword, as text."""
    backslash = "\\" if scanner.take(b"\\") else ""
    return backslash + scanner.atom().decode("ascii")


def read_flag_list(scanner: Scanner) -> Flags:
    """flag-list = "(" [flag *(SP flag)] ")"."""
    return to_flags(scanner.parenthesised(read_flag, empty=True))


def read_store_flags(scanner: Scanner) -> Flags:
    """STORE takes a list, or flags without parentheses."""
    if scanner.next_is(b"("):
        return read_flag_list(scanner)
    names = [read_flag(scanner)]
    while scanner.take(b" "):
        names.append(read_flag(scanner))
    return to_flags(names)


def to_flags(names: Iterable[str]) -> Flags:
    """The value that `names` stand for."""
    bits, keywords = 0, set()
    for name in names:
        if name.startswith("\\"):
            bits |= _system_bit(name)
        elif len(name) > MAX_KEYWORD_BYTES:
            raise BadSyntax("Keyword too long")
        else:
            keywords.add(name)
    return Flags(bits, frozenset(keywords))


def _system_bit(name: str) -> int:
    upper = name.upper()
    if upper not in _BITS:
        raise BadSyntax("Unknown system flag")
    return _BITS[upper]


def format_flags(bits: int, keywords: Iterable[str] = (), *, recent: bool = False) -> bytes:
    """The flags with a space between, without the parentheses."""
    text = BITS_TEXT[bits & 31]
    if keywords:
        text = b" ".join(filter(None, (text, *(word.encode("ascii") for word in sorted(keywords)))))
    if recent:
        return text + b" \\Recent" if text else b"\\Recent"
    return text
