"""deploy/roles.sql: each program may do what its statements need, and nothing that is not its business."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from mailadmin.appliance.management.commands.hand_out_keys import with_login
from mailadmin.trace import retention
from mailcore.db import status
from tests.contract.test_sql_statements import NOT_PREPARED, constants, numbered
from tests.fixtures_servers import ROOT

PROGRAMS = ("mail_smtpd", "mail_accessd", "mail_queue")
# Which role runs the statements of which module.
USERS = {
    "mailcore.config.statements": PROGRAMS,
    "mailcore.directory.statements": PROGRAMS,
    "mailcore.maillog.statements": PROGRAMS,
    "mailcore.index.statements": PROGRAMS,
    "mailcore.mailbox.statements": PROGRAMS,
    "mailcore.sharing.statements": ("mail_accessd",),
    "mailcore.metadata.statements": ("mail_accessd",),
    "mailcore.queue.statements": ("mail_queue", "mail_web"),
}
# Nobody logs in to the queue.
LOGIN_ONLY = {"CREDENTIALS", "LOGIN_SECRET", "NOTE_USES", "NOTE_LOGINS"}
NEEDED = [
    (role, f"{module}.{name}", text)
    for module, roles in USERS.items()
    for name, text in constants(importlib.import_module(module)).items()
    if not text.lstrip().upper().startswith((*NOT_PREPARED, "COPY"))
    for role in roles
    if not (role == "mail_queue" and name in LOGIN_ONLY)
]
NEEDED += [(role, "mailcore.db.status", status.REPORT) for role in PROGRAMS]
NEEDED += [("mail_queue", "mailadmin.trace.retention", text) for text in (retention.MAKE, retention.FORGET)]
queue_statements = constants(importlib.import_module("mailcore.queue.statements"))
NEEDED += [("mail_smtpd", "INSERT_BATCH", queue_statements["INSERT_BATCH"])]

FORBIDDEN = [
    ("mail_smtpd", "UPDATE account SET password = ''"),
    ("mail_smtpd", "UPDATE alias SET targets = '{}'"),
    ("mail_smtpd", "UPDATE app_password SET allow_smtp = true"),
    ("mail_accessd", "INSERT INTO app_password SELECT * FROM app_password"),
    ("mail_accessd", "UPDATE account SET scram_stored_key = NULL"),
    ("mail_queue", "SELECT * FROM app_password"),
    ("mail_queue", "SELECT * FROM account_login"),
    ("mail_smtpd", "DELETE FROM queue_message"),
    ("mail_smtpd", "SELECT * FROM api_token"),
    ("mail_smtpd", "SELECT * FROM django_session"),
    ("mail_accessd", "SELECT * FROM queue_message"),
    ("mail_accessd", "INSERT INTO my_network (cidr) VALUES ('0.0.0.0/0')"),
    ("mail_accessd", "DELETE FROM trace_event"),
    ("mail_queue", "DELETE FROM trace_event"),
    ("mail_smtpd", "SELECT trace_forget_before(now())"),
    ("mail_queue", "UPDATE server_settings SET relayhost_id = NULL"),
    ("mail_queue", "UPDATE account SET is_superuser = true"),
    ("mail_queue", "SELECT * FROM audit_entry"),
    ("mail_web", "DELETE FROM django_migrations"),
    ("mail_web", "DROP TABLE message"),
    ("mail_web", "CREATE TABLE mine (id int)"),
]


@pytest.fixture(scope="module")
def owner(servers) -> Iterator[psycopg.Connection]:
    """A migrated database with the roles in it."""
    url = servers.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((ROOT / "deploy" / "roles.sql").read_bytes())
        yield connection
    servers.drop_database(url)


@pytest.fixture
def as_role(owner):
    """Run one statement as somebody, and leave nothing behind."""

    def run(role: str, statement: str | bytes) -> None:
        with owner.transaction(force_rollback=True):
            owner.execute(f"SET LOCAL ROLE {role}")
            owner.execute(statement)

    return run


@pytest.mark.parametrize(("role", "name", "text"), NEEDED, ids=[f"{role}-{name}" for role, name, _ in NEEDED])
def test_a_program_may_run_its_statements(as_role, role, name, text):
    """EXPLAIN checks permissions as execution does, and changes nothing."""
    as_role(role, b"EXPLAIN (GENERIC_PLAN) " + numbered(text))


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN)
def test_a_program_may_not_do_what_is_not_its_business(as_role, role, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(role, statement)


def test_the_file_can_be_run_again(owner):
    owner.execute((ROOT / "deploy" / "roles.sql").read_bytes())


def test_every_table_is_somebodys(owner):
    """A table that a migration adds is the panel's at once; programs get it by name."""
    tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()

    for (table,) in tables:
        allowed = owner.execute("SELECT has_table_privilege('mail_web', %s, 'SELECT')", [table]).fetchone()
        assert allowed == (True,), table


def test_a_login_replaces_the_one_in_the_url():
    url = with_login("postgresql://owner:secret@db.example:5432/mail", "mail_web", "other")

    assert url == "postgresql://mail_web:other@db.example:5432/mail"


def test_each_program_gets_keys_it_can_log_in_with(servers, tmp_path):
    url = servers.create_database()
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": "the-secret-key"}
    command = [sys.executable, str(ROOT / "manage.py"), "hand_out_keys", str(tmp_path)]

    for _ in range(2):
        # Twice: running programs keep their passwords.
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        for name in ("web", "smtpd", "accessd", "queue"):
            with psycopg.connect((tmp_path / name / "database_url").read_text().strip()) as connection:
                assert connection.execute("SELECT generation FROM config_generation").fetchone()
                assert connection.execute("SELECT current_user").fetchone()[0].startswith("mail_")

    with_secret_key = {path.parent.name for path in tmp_path.glob("*/secret_key")}
    assert with_secret_key == {"web", "queue"}
    assert {path.stat().st_mode & 0o007 for path in tmp_path.glob("*/*")} == {0}
    servers.drop_database(url)
