"""The parameter QRESYNC of SELECT and EXAMINE (RFC 7162 section 3.2.5): what the client knows of a mailbox."""

import re
from dataclasses import dataclass
from itertools import pairwise

from accessd.imap.grammar.sequence_set import SequenceSet, parse_sequence_set
from accessd.imap.grammar.tokens import MAX_UINT63, BadSyntax, Scanner

_KNOWN_SET = re.compile(rb"[0-9:,]+")

Samples = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the client had when it was connected last. `uids` is None if it does not say which; each of `samples` is a
    message number, its UID, and how many follow one by one.
    """

    uidvalidity: int
    modseq: int
    uids: SequenceSet | None = None
    samples: Samples = ()


def read_known_state(scanner: Scanner) -> KnownState:
    """`(uidvalidity modseq [known-uids] [(numbers uids)])`."""
    scanner.expect(b"(")
    # Of who knows nothing yet: the ABNF has no zero here, but Dovecot takes it.
    uidvalidity = scanner.number()
    scanner.space()
    modseq = scanner.number(MAX_UINT63)
    uids, samples = None, Samples()
    if scanner.next_is(b" ") and not scanner.next_is(b" ("):
        scanner.space()
        uids = _known_set(scanner)
    if scanner.take(b" "):
        samples = _read_samples(scanner)
    scanner.expect(b")")
    return KnownState(uidvalidity, modseq, uids, samples)


def _known_set(scanner: Scanner) -> SequenceSet:
    """A sequence-set in which `*` is not allowed."""
    return parse_sequence_set(scanner.match(_KNOWN_SET, "a set of numbers").group())


def _read_samples(scanner: Scanner) -> Samples:
    scanner.expect(b"(", "a list")
    numbers = _ascending(_known_set(scanner))
    scanner.space()
    uids = _ascending(_known_set(scanner))
    scanner.expect(b")")
    return _paired(numbers, uids)


def _ascending(known: SequenceSet) -> list[tuple[int, int]]:
    ends = [end for interval in known.intervals for end in dict.fromkeys(interval)]
    if any(first >= second for first, second in pairwise(ends)):
        raise BadSyntax("Known numbers and UIDs must be in ascending order")
    return list(known.intervals)


def _paired(numbers: list[tuple[int, int]], uids: list[tuple[int, int]]) -> Samples:
    """The runs in which both sets go on one by one."""
    samples, left = [], uids[::-1]
    for first, last in numbers:
        while first <= last and left:
            uid, last_uid = left.pop()
            count = min(last - first, last_uid - uid) + 1
            samples.append((first, uid, count))
            first += count
            if uid + count <= last_uid:
                left.append((uid + count, last_uid))
        if first <= last:
            raise BadSyntax("More known numbers than UIDs")
    if left:
        raise BadSyntax("More known UIDs than numbers")
    return tuple(samples)
