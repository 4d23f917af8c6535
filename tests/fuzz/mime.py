"""Messages, broken on purpose, through all that FETCH, SEARCH and CATENATE do with one.

What must hold of any octets: nothing is raised; a part that BODYSTRUCTURE shows can be fetched and no other; headers
and bodies of sections add up; what is answered is valid IMAP; a large message is answered like a small one; nothing
takes long (tests.fuzz.__main__ knows how long).
"""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

from accessd.imap.fetch_sections import section_pieces, write_large, write_sections
from accessd.imap.grammar.fetch_att import BodyItem, read_fetch_items
from accessd.imap.grammar.tokens import Scanner
from accessd.imap.short_body import without_extensions
from mailcore.message.binary import storable
from mailcore.message.body_structure import body, body_structure
from mailcore.message.preview import preview
from mailcore.message.section import Section, cut, find_part
from mailcore.message.structure import Part, parse_structure, walk
from mailcore.message.summary import summarise_structure
from mailcore.message.wire import to_disk, to_wire
from mailcore.store.base import StoredMessage
from mailcore.store.wire_text import WireText
from tests.fuzz.mutations import mutated
from tests.unit.mailcore.message.answers import items_of
from tests.unit.mailcore.message.imap_reader import check_body, check_envelope, read

CORPUS = Path(__file__).parent.parent / "corpus"
MOST_PARTS = 30
TOKENS = (
    b"\n", b"\n\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3\xa9", b"--", b"\n--", b"--\n", b":", b";", b"=", b'"', b"\\",
    b"(", b")", b"<", b">", b",", b"@", b" ", b"\t", b"\n ", b"=?utf-8?B?", b"?=", b"=?", b"%", b"*=", b"*0*=", b"''",
    b"Content-Type: ", b"Content-Type: message/rfc822\n", b"Content-Type: message/global\n", b"boundary=",
    b"boundary=x", b"Content-Type: multipart/mixed; boundary=x\n",
    b"Content-Type: multipart/digest; boundary=x\n", b"\n--x\n",
    b"\n--x--\n", b"\n--xx\n", b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: binary\n",
    b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Transfer-Encoding: x-odd\n",
    b"Content-Type: text/html\n", b"charset=utf-7", b"charset=",
    b"<p>", b"<style>", b"&amp;", b"From: ", b"To: a:b:c;,", b"Date: ", b"Subject: ",
)  # fmt: skip


def check(seed: int) -> None:
    """One message. AssertionError, or whatever a reader raises, says what is wrong with it."""
    rng = random.Random(seed)
    disk = mutated(rng, rng.choice(corpus()), TOKENS)
    if rng.random() < 0.3:
        disk = mutated(rng, disk + rng.choice(corpus()), TOKENS)
    storable(disk, binary=True)
    check_message(to_wire(to_disk(disk)), rng)


def check_message(wire: bytes, rng: random.Random) -> None:
    """All promises for one message in wire form."""
    root = parse_structure(wire)
    _check_sections(wire, root)
    summary = summarise_structure(root)
    check_envelope(read(summary.envelope))
    check_body(read(summary.body_structure), extended=True)
    assert without_extensions(body_structure(root)) == body(root)
    assert preview(wire, root).isprintable()
    _check_large(wire, root, rng)


def _check_sections(wire: bytes, root: Part) -> None:
    assert cut(wire, root, Section((), "HEADER")) + cut(wire, root, Section((), "TEXT")) == wire
    paths = {path for path, _ in walk(root)}
    for path in list(paths)[:MOST_PARTS]:
        part = find_part(root, path)
        assert part is not None and cut(wire, root, Section(path)) == wire[part.body_start : part.body_end]
        for other in ((*path, 1), (*path[:-1], path[-1] + 1)):
            assert (find_part(root, other) is not None) == (other in paths)
        if part.is_message:
            inner = [cut(wire, root, Section(path, kind)) for kind in ("HEADER", "TEXT")]
            assert b"".join(each or b"" for each in inner) == cut(wire, root, Section(path))


def _check_large(wire: bytes, root: Part, rng: random.Random) -> None:
    large = StoredMessage(io.BytesIO(to_disk(wire)))
    texts = items_of(root)
    start, length = rng.randrange(len(wire) + 2), rng.randrange(1, 200)
    chosen = [*rng.sample(texts, min(6, len(texts))), f"BODY[]<{start}.{length}>", f"BINARY[]<{start}.{length}>"]
    items = [each for text in chosen for each in read_fetch_items(Scanner(text.encode())) if isinstance(each, BodyItem)]
    assert b"".join(write_large(large, root, items)) == write_sections(wire, items)
    assert body_structure(parse_structure(WireText(large, block=rng.choice([5, 64, 4096])))) == body_structure(root)
    piece = section_pieces(large, Section(), (start, length))
    assert piece is not None and b"".join(piece) == wire[start : start + length].replace(b"\0", b"\x80")


@cache
def corpus() -> tuple[bytes, ...]:
    """In disk form."""
    return tuple(path.read_bytes() for path in sorted(CORPUS.glob("*.eml")))
