"""manage.py mailbox_names on a committed database and a real store."""

import io

import pytest
from django.core.management import CommandError, call_command

from mailcore.mailbox import account as accounts
from tests.contract.mailbox_support import Owner, an_owner

COMBINED, DECOMPOSED = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"


@pytest.fixture
def bob(django_database, mail_home, settings):
    settings.MAIL_HOME = mail_home
    with an_owner(django_database, mail_home) as owner:
        yield owner


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("mailbox_names", *arguments, stdout=out)
    return out.getvalue().splitlines()


def made_by_another_program(bob: Owner, *names: str) -> None:
    for name in names:
        bob.storage.store(bob.account).create_mailbox(name)
    accounts.ensure_account(bob.conn, bob.storage, bob.account)
    bob.conn.execute("UPDATE mailbox SET uidvalidity = uidvalidity - 10")


def test_names_in_normal_form_are_not_listed(bob):
    accounts.create_mailbox(bob.conn, bob.storage, bob.account, DECOMPOSED)

    assert run() == run("BOB@mail.test") == ["All names are in normal form."]
    with pytest.raises(CommandError):
        run("nobody@mail.test")


def test_odd_names_are_listed_and_left(bob):
    made_by_another_program(bob, DECOMPOSED)

    assert run() == [r"bob@mail.test 'e\u0301': not in normal form"]
    assert DECOMPOSED in bob.names()


def test_a_name_that_collides_with_nothing_is_renamed_with_its_mail_and_its_subscription(bob):
    made_by_another_program(bob, DECOMPOSED, f"{DECOMPOSED}/x")
    uid = bob.append(mailbox=f"{DECOMPOSED}/x")

    lines = run("bob@mail.test", "--rename")

    assert lines == [
        r"bob@mail.test 'e\u0301': renamed to '\xe9'",
        r"bob@mail.test 'e\u0301/x': renamed with the one above it",
    ]
    assert bob.read(uid, f"{COMBINED}/x").startswith(b"From: Ann")
    assert COMBINED in accounts.subscriptions(bob.conn, bob.account)
    assert DECOMPOSED not in accounts.subscriptions(bob.conn, bob.account)
    assert run() == ["All names are in normal form."]


def test_two_that_look_alike_stay_as_they_are(bob):
    made_by_another_program(bob, DECOMPOSED)
    accounts.create_mailbox(bob.conn, bob.storage, bob.account, COMBINED)

    for arguments in ([], ["--rename"]):
        assert run(*arguments) == [r"bob@mail.test 'e\u0301': would be one with another mailbox, '\xe9'"]
    assert {COMBINED, DECOMPOSED} <= set(bob.names())
