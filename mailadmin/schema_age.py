"""Whether the database is newer than this program: then somebody has migrated it under a program that runs on.

Such a program asks for columns that are no more, or leaves out new ones, and only a restart helps. Which migrations it
came with is read at its start: later the files may be those of the next version.
"""

from __future__ import annotations

from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection

APPS = Path(__file__).resolve().parent
APPLIED = "SELECT app, name FROM django_migrations WHERE app = ANY(%s)"

_known: frozenset[tuple[str, str]] = frozenset()


def remember() -> None:
    """Called by programs that run for long, when they start."""
    global _known
    _known = frozenset((path.parents[1].name, path.stem) for path in APPS.glob("*/migrations/[0-9]*.py"))


def is_newer() -> bool:
    """Has the database migrations that this program did not come with? Not if nobody can tell."""
    if not _known:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(APPLIED, [sorted({app for app, _ in _known})])
            return not _known.issuperset(cursor.fetchall())
    except (DatabaseError, InterfaceError):
        return False
