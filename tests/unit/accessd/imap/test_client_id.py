"""accessd.imap.client_id: clients in a few words."""

import pytest

from accessd.imap.client_id import MOST_CHARACTERS, in_words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "Thunderbird", "version": "115.3"}, "Thunderbird 115.3"),
        (
            {"NAME": "iPhone Mail", "version": "21A329", "os": "iOS", "os-version": "17.0"},
            "iPhone Mail 21A329, iOS 17.0",
        ),
        ({"vendor": "Example", "support-url": "https://example.net"}, "Example"),
        ({"os": "Linux"}, "Linux"),
        ({}, ""),
        ({"name": "a\r\nb\x00c \x1b[31m", "version": ""}, "a b c [31m"),
    ],
)
def test_clients_in_words(fields, words):
    assert in_words(fields) == words


def test_words_are_few():
    assert len(in_words({"name": "x" * 1024, "version": "y" * 1024, "os": "z" * 1024})) == MOST_CHARACTERS
