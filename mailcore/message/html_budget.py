"""Bounds on HTML before it is parsed: an HTML parser takes quadratic time for deep nesting, for one element
with very many attributes, and for one text with very many ampersands. Real mail stays far below these bounds.
"""

import re

MAX_HTML = 2_000_000
MAX_DEPTH = 250
MAX_NESTING_TAGS = 15_000
MAX_AMPERSANDS = 60_000
MAX_SEPARATORS_IN_TAG = 4_000

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})[^<>]*>?")
# These end without an end tag, or end each other: many of them in a row are not deep.
_FLAT_NAMES = "area br col dd dt embed hr img input li link meta option p tbody td th thead tfoot tr wbr"
_FLAT = frozenset(_FLAT_NAMES.split(" "))
_TAG_START = re.compile(r"<[a-zA-Z]")
_SEPARATOR = re.compile(r"[\s/=\"']+")
_DATA_URL = re.compile(r"data:[a-z]+/[a-z+]+;base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)


def within_budget(source: str) -> str:
    """`source`, cut or thinned so far that parsing it takes time in proportion to its length."""
    source = _fewer_ampersands(source[:MAX_HTML])
    if source.count("<") <= MAX_DEPTH and len(source) <= MAX_SEPARATORS_IN_TAG:
        return source
    return _flatter(_smaller_tags(source))


def _fewer_ampersands(source: str) -> str:
    if source.count("&") <= MAX_AMPERSANDS:
        return source
    return "&".join(source.split("&", MAX_AMPERSANDS)[:-1])


def _smaller_tags(source: str) -> str:
    """Without the elements that have an absurd number of attributes."""
    pieces = source.split(">")
    for index, piece in enumerate(pieces):
        if len(piece) > MAX_SEPARATORS_IN_TAG and (start := _TAG_START.search(piece)):
            inside = _DATA_URL.sub("", piece[start.start() :])
            if len(_SEPARATOR.findall(inside)) > MAX_SEPARATORS_IN_TAG:
                pieces[index] = piece[: start.start()] + "<i"
    return ">".join(pieces)


def _flatter(source: str) -> str:
    """Without the elements that would be deeper than MAX_DEPTH, and cut where there are too many
    altogether."""
    counter = _Depth()
    return _TAG.sub(counter.keep, source) if source.count("<") > MAX_DEPTH else source


class _Depth:
    """Open elements by name: an end tag only counts against elements of its own name."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._depth = 0
        self._opened = 0

    def keep(self, tag: re.Match[str]) -> str:
        name = tag[2].lower()
        if name in _FLAT:
            return tag[0]
        if tag[1]:
            if self._open.get(name):
                self._open[name] -= 1
                self._depth -= 1
            return tag[0]
        if self._depth >= MAX_DEPTH or self._opened >= MAX_NESTING_TAGS:
            return ""
        self._opened += 1
        self._depth += 1
        self._open[name] = self._open.get(name, 0) + 1
        return tag[0]
