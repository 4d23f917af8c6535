"""Names become paths that stay under the mail root, and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.errors import MailboxNameInvalid
from mailcore.store import layout


@pytest.mark.parametrize(
    ("name", "maildir", "mbox"),
    [
        ("INBOX", "", "INBOX"),
        ("INBOX/A", ".INBOX.A", "INBOX.sbd/A"),
        ("A/B", ".A.B", "A.sbd/B"),
        ("A.B", ".A&AC4-B", "A&AC4-B"),
        ("../x", ".&AC4ALg-.x", "&AC4ALg-.sbd/x"),
        ("Entwürfe", ".Entw&APw-rfe", "Entw&APw-rfe"),
    ],
)
def test_examples(name, maildir, mbox):
    assert layout.maildir_folder(name) == maildir
    assert str(layout.mbox_file(name)) == mbox
    assert layout.mailbox_of_mbox_file(Path(mbox)) == name
    assert layout.mailbox_of_maildir_folder(maildir) == (name if maildir else None)


@given(st.text(max_size=60))
def test_any_name_is_refused_or_found_again(name):
    try:
        canonical = layout.canonical_name(name)
    except MailboxNameInvalid:
        return

    folder, file = layout.maildir_folder(canonical), layout.mbox_file(canonical)
    assert layout.canonical_name(canonical) == canonical
    assert canonical == "INBOX" or layout.mailbox_of_maildir_folder(folder) == canonical
    assert layout.mailbox_of_mbox_file(file) == canonical
    for component in (folder, *file.parts):
        assert not set(component) & set("/\0")
        assert component not in (".", "..")
        assert len(component.encode()) < 255


@pytest.mark.parametrize("folder", ["A", "", "..", ".A..B", ".a&b", ".Ü", ".inbox", ".A&AC8-B", ".&APw-&APw-"])
def test_folders_that_we_would_not_have_made_are_not_ours(folder):
    assert layout.mailbox_of_maildir_folder(folder) is None


@pytest.mark.parametrize("file", ["INBOX.lock", "INBOX.redo", "A/B", "a.b", "x.sbd/y.lock"])
def test_files_that_are_no_mailbox(file):
    assert layout.mailbox_of_mbox_file(Path(file)) is None


def test_account_folders_never_meet():
    addresses = ["a/b@x.test", "a%2Fb@x.test", "..@x.test", "%2E.@x.test", ".@x.test", "a@x.test", "A@x.test"]

    folders = {layout.account_folder(Path("/mail"), address) for address in addresses}

    assert len(folders) == len(addresses)
    assert all(len(folder.parts) == 4 and ".." not in folder.parts for folder in folders)
