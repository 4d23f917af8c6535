"""Names of any length and depth, in any normal form, over both stores; levels without mailboxes."""

import mailbox as standard_mailbox

import pytest

from mailcore.errors import HasChildren, MailboxExists, MailboxNotFound
from mailcore.mailbox import account as accounts
from mailcore.mailbox.convert import convert
from mailcore.store import long_names
from tests.contract.mailbox_support import MESSAGE, an_owner

LONG = "/".join(f"{number} Ordner für Überweisungen" for number in range(20))
LONG_LEVEL = "Ä" * 300
OTHER = {"maildir": "mbox", "mbox": "maildir"}
COMBINED, DECOMPOSED = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"


@pytest.fixture(params=["maildir", "mbox"])
def owner(request, database_url, mail_home):
    with an_owner(database_url, mail_home, store=request.param) as owner:
        yield owner
        owner.assert_counters()


def create(owner, name):
    record = accounts.create_mailbox(owner.conn, owner.storage, owner.account, name)
    # As if made before this second: a name that is given up within the second of its making has to wait.
    owner.conn.execute("UPDATE mailbox SET uidvalidity = uidvalidity - 10 WHERE account_id = %s", (owner.account.id,))
    return record


def rename(owner, old, new):
    return accounts.rename_mailbox(owner.conn, owner.storage, owner.account, old, new)


def delete(owner, name, **how):
    accounts.delete_mailbox(owner.conn, owner.storage, owner.account, name, **how)


def folders(owner):
    """What the store would tell a server that knows nothing."""
    return set(owner.storage.store(owner.account).list_mailboxes())


@pytest.mark.parametrize("name", [LONG, LONG_LEVEL])
def test_a_long_name_is_a_mailbox_like_any_other(owner, name):
    create(owner, name)

    uid = owner.append(mailbox=name)

    assert owner.read(uid, name).startswith(b"From: Ann")
    assert {name} <= set(owner.names()) == folders(owner)

    delete(owner, name)

    assert name not in owner.names()
    assert set(owner.names()) == folders(owner)


def test_a_new_index_finds_long_names_again(owner):
    """Adoption of what is on the disk, as after the loss of the database."""
    create(owner, LONG)
    owner.conn.execute("DELETE FROM mailbox WHERE account_id = %s", (owner.account.id,))

    accounts.ensure_account(owner.conn, owner.storage, owner.account)

    assert LONG in owner.names()


@pytest.mark.parametrize(("old", "new"), [("Short", LONG_LEVEL), (LONG_LEVEL, "Short"), (LONG_LEVEL, LONG_LEVEL + "x")])
def test_a_name_may_become_long_or_short(owner, old, new):
    create(owner, old)
    create(owner, f"{old}/Below")
    uid = owner.append(mailbox=f"{old}/Below")

    rename(owner, old, new)

    assert owner.read(uid, f"{new}/Below").startswith(b"From: Ann")
    assert {new, f"{new}/Below"} <= set(owner.names()) == folders(owner)


def test_long_names_survive_the_change_of_the_store(owner):
    create(owner, LONG)
    uid = owner.append(mailbox=LONG)

    with owner.conn.transaction():
        assert convert(owner.conn, owner.storage, owner.account, OTHER[owner.account.store])

    assert owner.read(uid, LONG).startswith(b"From: Ann")
    assert {LONG} <= set(owner.names()) == folders(owner)


def test_no_name_file_is_left_behind(owner):
    create(owner, LONG_LEVEL)
    rename(owner, LONG_LEVEL, "Short")
    create(owner, LONG_LEVEL)
    delete(owner, LONG_LEVEL)

    files = [path.name for path in owner.storage.root.rglob("*") if path.is_file()]
    assert files
    assert not [name for name in files if name.endswith((long_names.IN_FOLDER, long_names.BESIDE_FILE, ".new"))]


def test_another_maildir_program_reads_a_long_folder(database_url, mail_home):
    with an_owner(database_url, mail_home, store="maildir") as owner:
        create(owner, LONG)
        owner.append(mailbox=LONG)

        folder = owner.storage.store(owner.account).folder(LONG)
        [message] = standard_mailbox.Maildir(folder, create=False)

        assert message.as_bytes() == MESSAGE


def test_a_folder_that_lies_about_its_name_is_nobodys(database_url, mail_home):
    with an_owner(database_url, mail_home, store="maildir") as owner:
        create(owner, LONG)
        folder = owner.storage.store(owner.account).folder(LONG)
        with open(f"{folder}/{long_names.IN_FOLDER}", "w") as file:
            file.write("Drafts/Other")

        assert not {LONG, "Drafts/Other"} & folders(owner)


# Normal forms.


def test_names_are_one_in_any_normal_form(owner):
    assert create(owner, DECOMPOSED).name == COMBINED

    with pytest.raises(MailboxExists):
        create(owner, COMBINED)
    assert owner.record(DECOMPOSED).name == COMBINED
    assert owner.append(mailbox=DECOMPOSED) == 1
    rename(owner, DECOMPOSED, f"x{DECOMPOSED}")
    assert f"x{COMBINED}" in owner.names()
    accounts.set_subscribed(owner.conn, owner.account, f"x{DECOMPOSED}", True)
    assert f"x{COMBINED}" in accounts.subscriptions(owner.conn, owner.account)
    accounts.set_subscribed(owner.conn, owner.account, f"x{DECOMPOSED}", False)
    assert f"x{COMBINED}" not in accounts.subscriptions(owner.conn, owner.account)
    delete(owner, f"x{DECOMPOSED}")


def made_by_another_program(owner, name):
    """A folder whose name is not in normal form, as a server that knows of none makes it."""
    owner.storage.store(owner.account).create_mailbox(name)
    accounts.ensure_account(owner.conn, owner.storage, owner.account)
    owner.conn.execute("UPDATE mailbox SET uidvalidity = uidvalidity - 10 WHERE account_id = %s", (owner.account.id,))


def test_a_folder_of_another_program_is_found_by_its_own_name(owner):
    made_by_another_program(owner, DECOMPOSED)

    assert DECOMPOSED in owner.names()
    assert owner.record(DECOMPOSED).name == DECOMPOSED
    uid = owner.append(mailbox=DECOMPOSED)
    assert owner.read(uid, DECOMPOSED).startswith(b"From: Ann")
    with pytest.raises(MailboxNotFound):
        owner.record(COMBINED)
    rename(owner, DECOMPOSED, "Plain")
    assert owner.read(uid, "Plain").startswith(b"From: Ann")


def test_when_both_are_there_the_normal_form_means_itself_and_the_other_is_reached_by_renaming(owner):
    made_by_another_program(owner, DECOMPOSED)
    create(owner, COMBINED)

    assert owner.record(DECOMPOSED).name == COMBINED
    assert {COMBINED, DECOMPOSED} <= set(owner.names())


# Levels without a mailbox.


def test_a_mailbox_may_be_deleted_and_those_below_it_left(owner):
    create(owner, "A/B")
    uid = owner.append(mailbox="A/B")

    with pytest.raises(HasChildren):
        delete(owner, "A")
    delete(owner, "A", leave_children=True)

    assert "A" not in owner.names()
    assert owner.read(uid, "A/B").startswith(b"From: Ann")
    assert set(owner.names()) == folders(owner)
    with pytest.raises(MailboxNotFound):
        delete(owner, "A", leave_children=True)
    assert create(owner, "A").name == "A"


def test_a_level_without_a_mailbox_is_renamed_with_those_below_it(owner):
    create(owner, "A/B/C")
    delete(owner, "A", leave_children=True)

    renamed = rename(owner, "A", "Z")

    assert {"Z/B", "Z/B/C"} <= set(owner.names())
    assert not {"A", "A/B", "Z"} & set(owner.names())
    assert sorted(renamed) == sorted(owner.record(name).id for name in ("Z/B", "Z/B/C"))
    with pytest.raises(MailboxNotFound):
        rename(owner, "A", "Y")
