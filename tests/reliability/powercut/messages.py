"""Messages that can be told from half of one: a tag says the size, subject and text follow from the tag."""

from __future__ import annotations

import re

from mailcore.message.wire import to_wire

_SUBJECT = re.compile(rb"^Subject: (\S+)\r?\n", re.MULTILINE)


def content_of(tag: str) -> bytes:
    """The message `name-size` in disk form, about `size` bytes. Lines that begin with From try mbox quoting."""
    size = int(tag.rpartition("-")[2])
    head = f"Return-Path: <ann@elsewhere.test>\nFrom: Ann <ann@elsewhere.test>\nSubject: {tag}\n\n"
    lines = "".join(f"From {tag} line {number}\n" for number in range(size // (len(tag) + 14) + 1))
    return f"{head}{lines}the end of {tag}\n".encode()


def tag_of(wire: bytes) -> str | None:
    """Which message this is, if it is one of ours and whole to the last byte."""
    found = _SUBJECT.search(wire)
    if found is None:
        return None
    tag = found[1].decode(errors="replace")
    return tag if re.fullmatch(r"\w+-\d+", tag) and to_wire(content_of(tag)) == wire else None
