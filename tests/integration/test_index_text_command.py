"""manage.py index_text: new messages, and blocks whose words were folded by an older rule."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mailcore.message import casemap
from tests.contract.mailbox_support import an_owner


@pytest.fixture
def owner(django_database, mail_home, settings):
    settings.MAIL_HOME = mail_home
    with an_owner(django_database, mail_home) as owner:
        owner.append()
        yield owner


def run(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("index_text", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_what_is_new_or_stale_is_indexed_and_nothing_else(owner):
    said = f"{owner.account.address} INBOX: 1 messages"
    assert said in run(owner.account.address)
    assert run("--all") == []

    owner.conn.execute("UPDATE search_segment SET fold_version = 0")

    assert said in run("--all")
    assert owner.conn.execute("SELECT DISTINCT fold_version FROM search_segment").fetchall() == [(casemap.VERSION,)]
    assert run("--all") == []


def test_an_account_or_all_of_them(owner):
    for arguments in (["nobody@mail.test"], [], [owner.account.address, "--all"]):
        with pytest.raises(CommandError):
            run(*arguments)
