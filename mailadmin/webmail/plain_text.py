"""Plain text of a message for a page: links that can be followed, quotations that can be told apart.

Works on text and gives pieces; the template escapes them. Only http, https and mailto become links.
"""

import re
from dataclasses import dataclass

MAX_LINES = 20_000
_LINK = re.compile(r"(https?://[^\s<>\"'\u201c\u201d]+[^\s<>\"'\u201c\u201d.,;:!?)\]}])")
_QUOTE = re.compile(r"^((?:>\s?)+)")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or a link."""

    text: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of the same quotation depth."""

    depth: int
    pieces: list[Piece]


def paragraphs(text: str) -> list[Paragraph]:
    """The text in runs of equal quotation depth (0 is the sender's own words), links recognised."""
    runs: list[tuple[int, list[str]]] = []
    for line in text.split("\n")[:MAX_LINES]:
        depth, rest = _depth(line)
        if not runs or runs[-1][0] != depth:
            runs.append((depth, []))
        runs[-1][1].append(rest)
    return [Paragraph(depth, _pieces("\n".join(lines))) for depth, lines in runs]


def _depth(line: str) -> tuple[int, str]:
    match = _QUOTE.match(line)
    if match is None:
        return 0, line
    return min(match[1].count(">"), 5), line[match.end() :]


def _pieces(text: str) -> list[Piece]:
    return [Piece(piece, bool(index % 2)) for index, piece in enumerate(_LINK.split(text)) if piece]
