"""A certificate for 127.0.0.1, and the authority to trust, for one test file."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes.certificates import TestAuthority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """`ca`: the file a client trusts; `paths`: (certificate, key) of the server."""
    folder: Path = tmp_path_factory.mktemp("tls")
    made = TestAuthority(folder)
    return SimpleNamespace(ca=made.ca_file, paths=made.issue("127.0.0.1"))
