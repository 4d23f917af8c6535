"""FETCH attributes (RFC 3501 section 6.4.5)."""

import pytest

from accessd.imap.grammar.fetch_att import BodyItem, Decoding, Field, read_fetch_items
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.message.section import Section


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (b"FAST", (Field.FLAGS, Field.INTERNALDATE, Field.SIZE)),
        (b"all", (Field.FLAGS, Field.INTERNALDATE, Field.SIZE, Field.ENVELOPE)),
        (b"FULL", (Field.FLAGS, Field.INTERNALDATE, Field.SIZE, Field.ENVELOPE, Field.BODY)),
        (b"uid", (Field.UID,)),
        (b"(UID BODYSTRUCTURE UID)", (Field.UID, Field.BODYSTRUCTURE)),
        (b"(EMAILID threadid SAVEDATE)", (Field.EMAILID, Field.THREADID, Field.SAVEDATE)),
        (b"PREVIEW", (Field.PREVIEW,)),
        (b"(PREVIEW (LAZY) UID)", (Field.LAZY_PREVIEW, Field.UID)),
    ],
)
def test_macros_and_fields(text: bytes, items: tuple[Field, ...]) -> None:
    assert read_fetch_items(Scanner(text)) == items


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (b"BODY[]", BodyItem(b"BODY[]", Section(), peek=False)),
        (b"BODY.PEEK[1.2.HEADER]<0.100>", BodyItem(b"BODY[1.2.HEADER]<0>", Section((1, 2), "HEADER"), True, (0, 100))),
        (b"body[text]", BodyItem(b"BODY[TEXT]", Section((), "TEXT"), peek=False)),
        (b"BODY[3]", BodyItem(b"BODY[3]", Section((3,)), peek=False)),
        (b"BODY[3.MIME]", BodyItem(b"BODY[3.MIME]", Section((3,), "MIME"), peek=False)),
        (
            b'BODY.PEEK[HEADER.FIELDS ("From" to)]',
            BodyItem(b"BODY[HEADER.FIELDS (From to)]", Section((), "HEADER.FIELDS", ("From", "to")), peek=True),
        ),
        (
            b"BODY[2.HEADER.FIELDS.NOT ({3}\r\nX-Y)]",
            BodyItem(b"BODY[2.HEADER.FIELDS.NOT (X-Y)]", Section((2,), "HEADER.FIELDS.NOT", ("X-Y",)), peek=False),
        ),
        (b"BINARY[]", BodyItem(b"BINARY[]", Section(), False, None, Decoding.CONTENT)),
        (b"binary.peek[1.2]<5.7>", BodyItem(b"BINARY[1.2]<5>", Section((1, 2)), True, (5, 7), Decoding.CONTENT)),
        (b"BINARY.SIZE[3]", BodyItem(b"BINARY.SIZE[3]", Section((3,)), True, None, Decoding.SIZE)),
        (b"RFC822", BodyItem(b"RFC822", Section(), peek=False)),
        (b"RFC822.HEADER", BodyItem(b"RFC822.HEADER", Section((), "HEADER"), peek=True)),
        (b"RFC822.TEXT", BodyItem(b"RFC822.TEXT", Section((), "TEXT"), peek=False)),
    ],
)
def test_sections(text: bytes, item: BodyItem) -> None:
    scanner = Scanner(text)

    assert read_fetch_items(scanner) == (item,)
    assert scanner.at_end()


def read_whole(scanner: Scanner) -> None:
    read_fetch_items(scanner)
    scanner.end()


@pytest.mark.parametrize(
    "text",
    [
        b"BODY[MIME]",
        b"BODY[0]",
        b"BODY[1.]",
        b"BODY[.1]",
        b"BODY[HEADER.FIELDS]",
        b"BODY[HEADER.FIELDS ()]",
        b"BODY[]<0.0>",
        b"BODY[]<0>",
        b"BODY.PEEK",
        b"NONSENSE",
        b"(FAST UID)",
        b"()",
        b"BODY[1",
        b"BODY[1.FOO]",
        b"BINARY",
        b"BINARY[1.MIME]",
        b"BINARY[TEXT]",
        b"BINARY[1",
        b"BINARY.SIZE[1]<0.5>",
        b"PREVIEW (FAST)",
        b"(PREVIEW (LAZY LAZY))",
        b"BODY[" + b"1." * 150 + b"1]",
    ],
)
def test_what_is_no_attribute_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_whole(Scanner(text))
