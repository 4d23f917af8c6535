"""The folder list of the webmail."""

import pytest

from mailadmin.webmail.folders import folders, title
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
        (
            ["A", "INBOX", "INBOX/A", "INBOX/A/B", "Inboxes"],
            [("Inbox", 0), ("A", 1), ("B", 2), ("A", 0), ("Inboxes", 0)],
        ),
    ],
)
def test_a_folder_stands_below_the_nearest_that_is_there(names: list[str], lines: list[tuple[str, int]]) -> None:
    assert shown(*names) == lines


def test_what_is_below_a_special_folder_stands_there() -> None:
    uses = {"Archive": "\\Archive", "Archive/2025/May": "", "INBOX": "", "INBOX/Sent": "\\Sent", "INBOX/Sent/2025": ""}
    records = [
        MailboxRecord(number, 1, name, 1, 1, 1, 1, use, 0, 0, 0) for number, (name, use) in enumerate(uses.items())
    ]

    assert [(folder.name, folder.depth) for folder in folders(records)] == [
        ("Inbox", 0),
        ("Sent", 0),
        ("2025", 1),
        ("Archive", 0),
        ("2025/May", 1),
    ]


def test_two_with_one_special_use_can_be_told_apart() -> None:
    uses = {"Archiv": "\\Archive", "Archive": "\\Archive", "Gesendet": "\\Sent"}
    records = [
        MailboxRecord(number, 1, name, 1, 1, 1, 1, use, 0, 0, 0) for number, (name, use) in enumerate(uses.items())
    ]

    assert [(folder.name, folder.icon) for folder in folders(records)] == [
        ("Sent", "sent"),
        ("Archiv", "archive"),
        ("Archive", "archive"),
    ]
    assert [title(record, records) for record in records] == ["Archiv", "Archive", "Sent"]
