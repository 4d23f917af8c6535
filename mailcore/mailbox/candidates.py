"""Which messages a search has to look at: those of which the index does not know that they cannot match.

Never fewer than match, so who looks at these alone misses nothing (RFC 3501 section 6.4.4); and nothing is read for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailcore.mailbox import search_text
from mailcore.mailbox.search_index import MOST_REMEMBERED, TextField, TextIndex
from mailcore.mailbox.search_keys import And, Body, Header, Or, SearchKey, Text


def candidates(index: TextIndex, key: SearchKey, among: set[int]) -> set[int]:
    """Those of `among` that may match `key`."""
    match key:
        case And(keys):
            return _of_all(index, keys, among)
        case Or(left, right):
            found = candidates(index, left, among)
            return found if len(found) == len(among) else found | candidates(index, right, among)
        case Header() | Body() | Text() if key.value:
            known = index.look_up(fields_of(key), search_text.fold(key.value), among)
            return known.left_of(among)
        case _:
            return among


def fields_of(key: Header | Body | Text) -> Sequence[TextField]:
    """Where the text of the key may be."""
    match key:
        case Header(name) if name.lower() in search_text.ENVELOPE_FIELDS:
            return (TextField.ENVELOPE,)
        case Header():
            return (TextField.HEADER,)
        case Body():
            return (TextField.BODY,)
        case Text():
            return (TextField.HEADER, TextField.BODY)


def _of_all(index: TextIndex, keys: Sequence[SearchKey], among: set[int]) -> set[int]:
    """Each key is asked about all of `among`: the answers are remembered for those that look at what is left."""
    left = among
    for key in keys[:MOST_REMEMBERED]:
        left = left & candidates(index, key, among)
        if not left:
            break
    return left
