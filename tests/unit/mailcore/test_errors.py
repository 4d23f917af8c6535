"""Errors of the mail domain go from process to process as they are."""

import pickle

import pytest

from mailcore.errors import MailError, OverQuota


def every_kind(base: type[MailError]) -> list[type[MailError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in every_kind(child))]


@pytest.mark.parametrize("kind", every_kind(MailError), ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_on_the_other_side(kind):
    error = kind("a@b.test", 10) if issubclass(kind, OverQuota) else kind("why")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert (str(copy), vars(copy)) == (str(error), vars(error))
