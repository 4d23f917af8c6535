"""What FETCH answers about a message, as text beside it: tests/corpus/<name>.answers.

A section is shown by its length, the beginning of its SHA-256 and its first octets. After a change that is meant,
write them anew and read the difference: python -m tests.unit.mailcore.message.answers
"""

import hashlib
import sys
from pathlib import Path

from accessd.imap.fetch_sections import write_sections
from accessd.imap.grammar.fetch_att import BodyItem, read_fetch_items
from accessd.imap.grammar.tokens import Scanner
from mailcore.message.body_structure import body, body_structure
from mailcore.message.imap_envelope import envelope
from mailcore.message.structure import Part, parse_structure, walk
from mailcore.message.wire import to_wire

SHOWN = 50
MOST_PARTS = 40


def answers(data: bytes) -> str:
    """All of them for one message in either form."""
    wire = to_wire(data)
    root = parse_structure(wire)
    lines = [
        f"RFC822.SIZE {len(wire)}",
        f"ENVELOPE {readable(envelope(root.headers))}",
        f"BODY {readable(body(root))}",
        f"BODYSTRUCTURE {readable(body_structure(root))}",
    ]
    lines += [section(wire, item) for item in items_of(root)]
    return "\n".join(lines) + "\n"


def items_of(root: Part) -> list[str]:
    """The sections a client can name."""
    items = ["BODY[HEADER]", "BODY[TEXT]", "BINARY[]"]
    for path, part in list(walk(root))[:MOST_PARTS]:
        number = ".".join(map(str, path))
        items += [f"BODY[{number}.MIME]", f"BODY[{number}]", f"BINARY[{number}]", f"BINARY.SIZE[{number}]"]
        if part.is_message:
            items += [f"BODY[{number}.HEADER]", f"BODY[{number}.TEXT]"]
    return items


def section(wire: bytes, text: str) -> str:
    """One line."""
    (item,) = read_fetch_items(Scanner(text.encode()))
    assert isinstance(item, BodyItem)
    written = write_sections(wire, [item], [])
    if not written:
        return f"{text} UNKNOWN-CTE"
    if b"\r\n" not in written:
        return written.decode()
    head, _, value = written.partition(b"}\r\n")
    digest = hashlib.sha256(value).hexdigest()[:12]
    return f"{head.decode()}}} {digest} {readable(value[:SHOWN])}"


def readable(value: bytes) -> str:
    """Octets on one line."""
    return value.decode("latin-1").encode("unicode_escape").decode("ascii")


if __name__ == "__main__":
    for path in sorted(Path("tests/corpus").glob("*.eml")):
        path.with_suffix(".answers").write_text(answers(path.read_bytes()))
    sys.exit()
