"""What the viewer's pages are asked for, read from query strings and forms. Nonsense means the default, never a 500."""

from django.http import QueryDict

from mailadmin.webmail.listing import SHOWN, ListQuery

MAX_UID = 2**32 - 1
MAX_SEARCH = 500


def list_query(query: QueryDict) -> ListQuery:
    """The list that the query string asks for."""
    shown = query.get("show", "all")
    return ListQuery(
        text=query.get("q", "").replace("\x00", "").strip()[:MAX_SEARCH],
        everywhere=query.get("in") == "text",
        shown=shown if shown in SHOWN else "all",
        before=uid_of(query.get("before", "")),
        after=uid_of(query.get("after", "")),
    )


def uid_of(text: str) -> int | None:
    """A UID, or None for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text) if 0 < int(text) <= MAX_UID else None


def uids_of(query: QueryDict) -> list[int]:
    """The messages that are ticked."""
    return sorted({uid for text in query.getlist("uid") if (uid := uid_of(text)) is not None})
