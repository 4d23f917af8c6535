"""Every error of the mail domain has an answer."""

from accessd.imap.errors import COMPLETIONS, completion_for
from mailcore import errors


def test_every_error_has_a_row_of_its_own() -> None:
    known = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.MailError)}

    assert known == set(COMPLETIONS)


def test_answers_are_no_and_say_nothing_of_the_cause() -> None:
    answer = completion_for(errors.StoreUnavailable("/var/secret/path is broken")).to_bytes(b"a", "FETCH")

    assert answer == b"a NO [UNAVAILABLE] Temporarily unavailable, try again later\r\n"
