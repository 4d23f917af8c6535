"""Password formats as Django writes them."""

import pytest
from django.contrib.auth.hashers import make_password

from mailcore.directory.passwords import check_password


@pytest.mark.parametrize("hasher", ["argon2", "pbkdf2_sha256"])
def test_what_django_stored_is_recognised(hasher):
    stored = make_password("geheim ☃", hasher=hasher)

    assert check_password("geheim ☃", stored)
    assert not check_password("geheim", stored)


@pytest.mark.parametrize("stored", ["", "!unusable", "argon2$", "argon2$argon2id$x", "pbkdf2_sha256$x$y$z", "md5$a$b"])
def test_unknown_formats_never_match(stored):
    assert not check_password("", stored)
    assert not check_password("x", stored)
