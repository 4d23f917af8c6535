"""The search index of the large folder of panel_seed.py, as the worker of a running appliance would have made it.

Without it a search would measure how long a folder is read that nobody has indexed yet, which lasts minutes once in its
life (docs/adr/0021). Bodies are of a vocabulary of 60,000 words, frequent and rare ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import psycopg

from mailcore.mailbox import search_text, statements
from mailcore.mailbox.search_index import TextField
from mailcore.mailbox.words import MOST_MESSAGES, Packed, WordCollector, to_octets
from mailcore.message import casemap

VOCABULARY = 60_000
WORDS_EACH = 30
FOLDER = "SELECT mailbox_id, uid, envelope FROM message ORDER BY mailbox_id, uid"


def index_folder(conn: psycopg.Connection[Any]) -> None:
    """One block after the other, of the only mailbox that has messages."""
    rows = conn.execute(FOLDER, binary=True).fetchall()
    for start in range(0, len(rows), MOST_MESSAGES):
        block = rows[start : start + MOST_MESSAGES]
        packed = _pack(block)
        columns = {
            "mailbox_id": block[0][0],
            "first_uid": block[0][1],
            "last_uid": block[-1][1],
            "is_full": len(block) == MOST_MESSAGES,
            "fold_version": casemap.VERSION,
            "uids": to_octets(array("I", [uid for _, uid, _ in block])),
            "fields": list(packed),
            "words": [each.words for each in packed.values()],
            "offsets": [each.offsets for each in packed.values()],
            "postings": [each.postings for each in packed.values()],
        }
        conn.execute(statements.INSERT_SEGMENTS, columns)


def _pack(block: Sequence[tuple[int, int, bytes]]) -> dict[TextField, Packed]:
    collectors = {field: WordCollector() for field in TextField}
    for position, (_, uid, envelope) in enumerate(block):
        texts = search_text.envelope_texts(envelope)
        names = {word for text in texts for word in search_text.fold(text).split()}
        collectors[TextField.ENVELOPE].add(position, names)
        collectors[TextField.HEADER].add(position, names)
        collectors[TextField.BODY].add(position, {_drawn(uid, number) for number in range(WORDS_EACH)})
    return {field: collector.pack() for field, collector in collectors.items()}


def _drawn(uid: int, number: int) -> str:
    """A word of the vocabulary, folded: the lower its number, the more frequent it is."""
    chance = (uid * 2654435761 + number * 2246822519) % 2**32 / 2**32
    return f"WORD{int(VOCABULARY * chance**3)}"
