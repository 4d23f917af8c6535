"""Whether `manage.py prepare_appliance` has anything to do: asked on every start, so that most starts skip it.

Loading Django, comparing migrations and collecting static files takes longer than everything else together. A digest
of what they depend on is kept beside the data; the database itself is asked too, since it may have been replaced.
"""

import hashlib
from pathlib import Path

import psycopg

from mailadmin.appliance.home import CODE, Home, write_private

SCHEMA_SOURCES = ("mailadmin/*/migrations/*.py", "requirements.txt")
STATIC_SOURCES = ("mailadmin/**/static/**/*", "requirements.txt")
APPLIED = "SELECT count(*) FROM django_migrations"


def is_prepared(home: Home, database_url: str) -> bool:
    """Nothing has changed since the last time, and the database is the one that was prepared."""
    try:
        noted = _note(home).read_text()
    except OSError:
        return False
    return noted == _expected(database_url)


def note_prepared(home: Home, database_url: str) -> None:
    """Remember it."""
    write_private(_note(home), _expected(database_url))


def _expected(database_url: str) -> str:
    return f"{_digest(SCHEMA_SOURCES + STATIC_SOURCES)} {_applied_migrations(database_url)}\n"


def static_files_changed(root: Path) -> bool:
    """Whether collecting static files into `root` would change anything."""
    try:
        return (root / ".collected").read_text() != _digest(STATIC_SOURCES)
    except OSError:
        return True


def note_static_files(root: Path) -> None:
    """Remember it."""
    (root / ".collected").write_text(_digest(STATIC_SOURCES))


def _digest(patterns: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(CODE.glob(pattern)):
            if path.is_file():
                found = path.stat()
                digest.update(f"{path.relative_to(CODE)}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _applied_migrations(database_url: str) -> int:
    try:
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            row = connection.execute(APPLIED).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0


def _note(home: Home) -> Path:
    return home.folder / "run" / "prepared"
