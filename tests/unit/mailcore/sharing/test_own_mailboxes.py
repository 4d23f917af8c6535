"""A reader's own mailboxes cost no query: there is not even a connection here."""

from typing import Any, cast

import pytest

from mailcore.errors import MailboxNotFound, NotPermitted
from mailcore.identity import AccountRef
from mailcore.sharing import places, rights
from mailcore.sharing.places import Place

READER, OWNER = AccountRef(1, "ann@a.test"), AccountRef(2, "bob@a.test")
NO_CONNECTION = cast(Any, None)


@pytest.mark.parametrize("name", ["INBOX", "Work/2026", "users", "sharedX/y", "user", "shared", "Shared/News", ""])
def test_own_names(name):
    assert places.resolve(NO_CONNECTION, READER, name) == Place(READER, name, rights.ALL)


@pytest.mark.parametrize("name", ["Work", "Work/2026", "Users/x"])
def test_own_names_of_new_mailboxes(name):
    assert places.resolve_new(NO_CONNECTION, READER, name) == Place(READER, name, rights.ALL)


def test_own_rights():
    assert places.rights_now(NO_CONNECTION, READER, READER, 5) == rights.ALL


@pytest.mark.parametrize(
    ("granted", "needed", "error"),
    [("lr", "i", NotPermitted), ("r", "i", NotPermitted), ("i", "r", MailboxNotFound), ("", "l", MailboxNotFound)],
)
def test_who_sees_nothing_hears_nothing(granted, needed, error):
    with pytest.raises(error):
        Place(OWNER, "Work", granted).require(needed)
    with pytest.raises(error):
        Place(OWNER, "Work", granted).require_one(needed)


def test_one_of_several_rights():
    assert Place(OWNER, "Work", "li").require_one("rswip").require("l").rights == "li"
