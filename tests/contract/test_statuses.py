"""STATUS of many mailboxes at once says what STATUS of each says, without a statement for each."""

import pytest

from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.statuses import statuses_of
from tests.contract.mailbox_support import a_message, an_owner


@pytest.fixture
def owner(database_url, mail_home):
    with an_owner(database_url, mail_home, store="maildir") as owner:
        yield owner


class Counted:
    """A connection that counts statements."""

    def __init__(self, conn):
        self.conn, self.count = conn, 0

    def execute(self, *arguments):
        self.count += 1
        return self.conn.execute(*arguments)


def filled(owner):
    owner.append(a_message("one"))
    owner.append(a_message("two"), "\\Seen", "\\Deleted")
    owner.append(a_message("three"), "\\Deleted", mailbox="Trash")
    return accounts.list_mailboxes(owner.conn, owner.account)


def test_all_values_are_those_of_each_mailbox_by_itself(owner):
    records = filled(owner)

    found = statuses_of(owner.conn, records, recent=True, deleted=True)

    assert found == {each.id: mailboxes.status(owner.conn, each.id, count_deleted=True) for each in records}
    assert sorted(each.deleted for each in found.values())[-2:] == [1, 1]
    assert sum(each.recent for each in found.values()) == 3


@pytest.mark.parametrize(
    ("asked", "statements"), [({}, 0), ({"recent": True}, 1), ({"recent": True, "deleted": True}, 1)]
)
def test_what_is_not_asked_for_costs_nothing(owner, asked, statements):
    records = filled(owner)
    conn = Counted(owner.conn)

    found = statuses_of(conn, records, **asked)

    assert conn.count == statements
    assert len(found) == len(records)


def test_a_mailbox_deleted_in_between_is_counted_as_empty(owner):
    records = filled(owner)
    accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "Trash")

    found = statuses_of(owner.conn, records, deleted=True)

    assert {each.name: found[each.id].deleted for each in records if each.name == "Trash"} == {"Trash": 0}
