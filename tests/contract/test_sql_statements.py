"""Every SQL constant of every statements.py is understood by the migrated schema."""

import importlib
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("mailcore/**/statements.py")
)


# PREPARE takes queries only; these run, which changes nothing.
NOT_PREPARED = ("LISTEN", "UNLISTEN", "NOTIFY", "SET LOCAL")


def constants(module: ModuleType) -> dict[str, str]:
    return {name: text for name, text in vars(module).items() if name.isupper() and isinstance(text, str)}


ALL = [(module, name) for module in MODULES for name in constants(importlib.import_module(module))]


class Anything(dict[str, None]):
    """Has a value for every name, so that any statement can be rewritten for PREPARE."""

    def __missing__(self, name: str) -> None:
        return None

    def __contains__(self, name: object) -> bool:
        return True


def numbered(statement: str) -> bytes:
    """The statement with $1, $2 instead of %(name)s, as psycopg sends it."""
    query = PostgresQuery(Transformer())
    query.convert(statement, Anything() if "%(" in statement else [None] * statement.count("%s"))
    return query.query


@pytest.fixture(scope="module")
def schema(servers):
    url = servers.create_database()
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn
    servers.drop_database(url)


def test_there_are_statements():
    assert ("mailcore.index.statements", "INSERT_MESSAGES") in ALL


@pytest.mark.parametrize(("module", "name"), ALL, ids=lambda part: part.removesuffix(".statements"))
def test_statement_fits_the_schema(schema, module, name):
    statement = constants(importlib.import_module(module))[name]
    if statement.lstrip().upper().startswith(NOT_PREPARED):
        with schema.transaction(force_rollback=True):
            schema.execute(statement)
        return

    schema.execute(b"PREPARE probe AS " + numbered(statement))

    schema.execute("DEALLOCATE probe")
