"""Threads as IMAP writes them: `(2)(3 6 (4 23)(44 7 96))` (RFC 5256 section 4). Deep threads cost no recursion."""

from __future__ import annotations

from collections.abc import Sequence

from mailcore.mailbox.threading import Forest

_CLOSE = -1


def format_threads(forest: Forest, numbers: Sequence[int]) -> bytes:
    """All threads; `numbers` are those of the messages that the forest knows by position."""
    parts: list[bytes] = []
    waiting = list(reversed(forest.roots))
    while waiting:
        node = waiting.pop()
        if node == _CLOSE:
            parts.append(b")")
            continue
        parts.append(b"(")
        children = _members(forest, numbers, node, parts)
        if children:
            waiting.append(_CLOSE)
            waiting += reversed(children)
        else:
            parts.append(b")")
    return b"".join(parts)


def _members(forest: Forest, numbers: Sequence[int], node: int, parts: list[bytes]) -> list[int]:
    """Write a node and its descendants as long as each has one child only; returns the children that come then."""
    separator = b""
    while True:
        if node < forest.messages:
            parts.append(b"%b%d" % (separator, numbers[node]))
            separator = b" "
        children = forest.children(node)
        if len(children) != 1:
            if children:
                parts.append(separator)
            return children
        node = children[0]
