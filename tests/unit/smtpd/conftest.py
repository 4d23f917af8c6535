"""Fixtures of the SMTP program's unit tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.smtpd.support import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server with the domains of support.a_snapshot()."""
    site = Site(tmp_path)
    yield site
    site.close()
