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


def mailbox_of(path, read, name):
    """What a path is called; the name of a long one stands in a file."""
    last = Path(path).name
    return layout.mailbox_of_long(last, name) if layout.is_long(last) else read(path)


@given(st.text(max_size=60) | st.text(min_size=200, max_size=999))
def test_any_name_is_refused_or_found_again(name):
    try:
        canonical = layout.canonical_name(name)
    except MailboxNameInvalid:
        return

    folder, file = layout.maildir_folder(canonical), layout.mbox_file(canonical)
    assert layout.canonical_name(canonical) == canonical
    assert canonical == "INBOX" or mailbox_of(folder, layout.mailbox_of_maildir_folder, canonical) == canonical
    assert mailbox_of(file, layout.mailbox_of_mbox_file, canonical) == canonical
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


COMBINED, DECOMPOSED = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"


def test_a_name_is_kept_in_normal_form_c():
    assert layout.canonical_name(f"a/{DECOMPOSED}") == f"a/{COMBINED}"
    assert layout.canonical_name("inbox/\N{ANGSTROM SIGN}") == "INBOX/\N{LATIN CAPITAL LETTER A WITH RING ABOVE}"


def test_a_folder_of_another_program_keeps_its_name():
    folder = layout.maildir_folder(DECOMPOSED)

    assert folder == ".e&AwE-"
    assert layout.mailbox_of_maildir_folder(folder) == DECOMPOSED


@pytest.mark.parametrize("name", ["x" * 220, "/".join("ab" * 100), "\N{HIRAGANA LETTER A}" * 100, "/".join("x" * 499)])
def test_a_long_name_has_a_hashed_path_by_which_only_it_is_known(name):
    folder, file = layout.maildir_folder(layout.canonical_name(name)), layout.mbox_file(name)

    assert layout.is_long(folder)
    assert len(folder) == 42
    assert layout.mailbox_of_maildir_folder(folder) is None
    assert layout.mailbox_of_long(folder, name) == name
    assert layout.mailbox_of_long(folder, name + "x") is None
    assert all(len(part) < 255 for part in file.parts)
    assert len(str(file)) <= layout.MAX_MBOX_PATH


def test_nobody_can_take_the_folder_of_a_long_name():
    hashed = layout.maildir_folder("x" * 300).removeprefix(".")

    assert layout.maildir_folder(hashed) == ".&AH4-" + hashed[1:]
    assert layout.mailbox_of_maildir_folder(layout.maildir_folder(hashed)) == hashed
    assert layout.mbox_file(f"{hashed}/a").parts[0] == f"&AH4-{hashed[1:]}.sbd"
    assert layout.mailbox_of_mbox_file(layout.mbox_file(hashed)) == hashed


@pytest.mark.parametrize("name", ["x" * 1001, "\N{HIRAGANA LETTER A}" * 667])
def test_what_the_database_cannot_hold_is_refused(name):
    with pytest.raises(MailboxNameInvalid):
        layout.canonical_name(name)


def test_account_folders_never_meet():
    addresses = ["a/b@x.test", "a%2Fb@x.test", "..@x.test", "%2E.@x.test", ".@x.test", "a@x.test", "A@x.test"]

    folders = {layout.account_folder(Path("/mail"), address) for address in addresses}

    assert len(folders) == len(addresses)
    assert all(len(folder.parts) == 4 and ".." not in folder.parts for folder in folders)
