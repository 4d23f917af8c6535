"""The base subject: what is left of a Subject without "Re:", "Fwd:", "[list]" and the like (RFC 5256 section 2.1).

Pure.
"""

import re
from typing import NamedTuple

from mailcore.message.casemap import casemap

_SPACE = re.compile(r"[ \t\r\n]+")
# subj-leader without its WSP: *subj-blob subj-refwd. Runs of space are single spaces by then.
_LEADER = re.compile(r"(?:\[[^\[\]]*\] ?)*(?:RE|FWD?) ?(?:\[[^\[\]]*\] ?)?:")
_BLOB = re.compile(r"\[[^\[\]]*\] ?")
_TRAILER = "(FWD)"
_FORWARD = "[FWD:"
# No subject that somebody wrote is as long, and one that is made of nothing but blobs takes quadratic time.
_LONGEST = 2_000


class BaseSubject(NamedTuple):
    """`text` is mapped by i;unicode-casemap; `is_reply`: something was taken away that marks a reply or forward."""

    text: str
    is_reply: bool


def base_subject(subject: str) -> BaseSubject:
    """The base subject of a decoded Subject."""
    text, is_reply = _SPACE.sub(" ", casemap(subject[:_LONGEST])), False
    while True:
        text, without_trailer = _without_trailers(text)
        text, without_leader = _without_leaders(text)
        is_reply = is_reply or without_trailer or without_leader
        if not (text.startswith(_FORWARD) and text.endswith("]")):
            return BaseSubject(text, is_reply)
        text, is_reply = text[len(_FORWARD) : -1], True


def _without_trailers(text: str) -> tuple[str, bool]:
    """Step 2."""
    found = False
    text = text.rstrip(" ")
    while text.endswith(_TRAILER):
        found = True
        text = text[: -len(_TRAILER)].rstrip(" ")
    return text, found


def _without_leaders(text: str) -> tuple[str, bool]:
    """Steps 3 to 5."""
    found, start, end = False, 0, len(text)
    while True:
        while text.startswith(" ", start):
            start += 1
        if leader := _LEADER.match(text, start):
            found, start = True, leader.end()
        elif (blob := _BLOB.match(text, start)) and blob.end() < end:
            start = blob.end()
        else:
            return text[start:], found
