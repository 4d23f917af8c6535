"""aliases(5), as it is found on real machines."""

from mailadmin.appliance.aliases_file import parse_aliases

FILE = """\
# See man 5 aliases for format
postmaster:    root
Root: alice, bob@example.org
staff:  alice,
        bob ,
        # a comment inside

        carol
"odd name": "quoted, with comma"@example.org
robot: "|/usr/bin/procmail -a \\"x\\"", alice
archive: /var/mail/archive
list: :include:/etc/mail/list
me: \\me
no colon here
"""


def by_name():
    return {alias.name: alias for alias in parse_aliases(FILE)}


def test_targets_and_continuation_lines():
    aliases = by_name()

    assert aliases["postmaster"].targets == ["root"]
    assert aliases["root"].targets == ["alice", "bob@example.org"]
    assert aliases["staff"].targets == ["alice", "bob", "carol"]
    assert aliases["staff"].line == 4


def test_quotes_protect_commas_and_colons():
    assert by_name()["odd name"].targets == ["quoted, with comma@example.org"]


def test_includes_are_kept_and_a_backslash_ends_expansion():
    assert by_name()["list"].targets == [":include:/etc/mail/list"]
    assert by_name()["me"].targets == ["me"]


def test_programs_and_files_are_refused_with_the_reason():
    aliases = by_name()

    assert aliases["robot"].targets == ["alice"]
    assert aliases["robot"].refused == ['|/usr/bin/procmail -a "x": mail is not given to programs']
    assert aliases["archive"].refused == ["/var/mail/archive: mail is not written to files"]


def test_a_line_without_a_name_is_reported():
    assert by_name()[""].refused == ["no colon here: no name before a colon"]
