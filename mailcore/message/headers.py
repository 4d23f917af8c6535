"""The header section of a message or part: fields by name, unfolded (RFC 5322 section 2.2).

Takes wire form. Values are bytes as sent, without the line breaks of folding, NULs and surrounding space;
what they mean is read by `address_list`, `date`, `encoded_word` and `parameters`. Lines that are no field are
left out.
"""

import re
from collections.abc import Iterator

_FOLD = re.compile(rb"\r\n(?=[ \t])")

_NO_VALUES: list[bytes] = []


class Headers:
    """Fields in their order, found by name in any case."""

    __slots__ = ("_by_name", "_fields")

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._fields = fields
        self._by_name: dict[bytes, list[bytes]] = {}
        for name, value in fields:
            self._by_name.setdefault(name.lower(), []).append(value)

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field called `name` (given in lower case), None if there is none."""
        values = self._by_name.get(name)
        return values[0] if values else None

    def all(self, name: bytes) -> list[bytes]:
        """The values of all fields called `name` (given in lower case), top to bottom."""
        return self._by_name.get(name, _NO_VALUES)

    def joined(self, name: bytes) -> bytes | None:
        """All address lists called `name` as one: nobody may hide recipients in a second To field."""
        values = self._by_name.get(name)
        if not values:
            return None
        return values[0] if len(values) == 1 else b", ".join(values)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def parse_headers(block: bytes) -> Headers:
    """The fields of a header section in wire form, with or without its closing empty line."""
    if b"\0" in block:
        block = block.replace(b"\0", b"")
    fields = []
    for line in _FOLD.sub(b"", block).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        # A space inside the name: an mbox "From " line, or text where a header should be.
        if colon and name and b" " not in name:
            fields.append((name, value.strip(b" \t")))
    return Headers(fields)


def header_end(data: bytes) -> int:
    """Where the header section of a message in wire form ends: behind its closing empty line, or at the
    end."""
    if data.startswith(b"\r\n"):
        return 2
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 4


def headers_of(data: bytes) -> Headers:
    """The header fields of a whole message in wire form."""
    return parse_headers(data[: header_end(data)])
