"""Results of SEARCH and SORT as responses: the plain lists of RFC 3501 and RFC 5256, and ESEARCH (RFC 4731)."""

from __future__ import annotations

from collections.abc import Sequence

from accessd.imap import response
from accessd.imap.grammar.search_return import Returns
from accessd.imap.grammar.sequence_set import format_numbers


def plain(name: bytes, numbers: Sequence[int], modseq: int) -> bytes:
    """`* SEARCH 2 3`, with the highest MODSEQ if it was asked about (RFC 7162 section 3.1.5)."""
    words = [name, *(b"%d" % number for number in numbers)]
    if modseq and numbers:
        words.append(b"(MODSEQ %d)" % modseq)
    return response.untagged(b" ".join(words))


def extended(
    numbers: list[int],
    scores: Sequence[int],
    modseq: int,
    tag: bytes,
    returns: Returns,
    *,
    by_uid: bool,
    origin: bytes = b"",
) -> bytes:
    """`* ESEARCH (TAG "a") UID ALL 1:3`. `numbers` are in the order of the search or the sort, so MIN is the first of
    them (RFC 5267 section 3.1). `scores` are theirs, told where ALL or PARTIAL tells which
    messages they belong to (RFC 6203 section 4). `origin` says of which mailbox they are.
    """
    words = [b"ESEARCH (TAG %b%b)" % (response.string(tag), origin)]
    if by_uid:
        words.append(b"UID")
    options = returns.options
    if numbers and "MIN" in options:
        words.append(b"MIN %d" % numbers[0])
    if numbers and "MAX" in options:
        words.append(b"MAX %d" % numbers[-1])
    if "COUNT" in options:
        words.append(b"COUNT %d" % len(numbers))
    if numbers and "ALL" in options:
        words.append(b"ALL " + format_numbers(numbers))
    if returns.partial is not None:
        some = returns.partial.of(numbers)
        words.append(b"PARTIAL (%b %b)" % (returns.partial.text, format_numbers(some) if some else b"NIL"))
    if returns.tells_scores:
        told = scores if returns.partial is None else returns.partial.of(scores)
        words.append(b"RELEVANCY (%b)" % b" ".join(b"%d" % score for score in told))
    if modseq and numbers:
        words.append(b"MODSEQ %d" % modseq)
    return response.untagged(b" ".join(words))
