"""The folder list of the webmail."""

import pytest

from mailadmin.webmail.folders import folders
from mailcore.index.records import MailboxRecord


def shown(*names: str) -> list[tuple[str, int]]:
    records = [MailboxRecord(number, 1, name, 1, 1, 1, 1, "", 0, 0, 0) for number, name in enumerate(names, 1)]
    return [(folder.name, folder.depth) for folder in folders(records)]


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (["INBOX", "A", "A/B", "A/B/C"], [("Inbox", 0), ("A", 0), ("B", 1), ("C", 2)]),
        # The mailbox between was deleted, and what is below it left.
        (["A", "A/B/C"], [("A", 0), ("B/C", 1)]),
        (["A/B", "A/B/C", "Z"], [("A/B", 0), ("C", 1), ("Z", 0)]),
    ],
)
def test_a_folder_stands_below_the_nearest_that_is_there(names: list[str], lines: list[tuple[str, int]]) -> None:
    assert shown(*names) == lines
