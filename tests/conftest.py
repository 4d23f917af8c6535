"""Fixtures shared by all tests, by what they bring: servers, Django on them, a whole running appliance."""

import pytest

pytest_plugins = ["tests.fixtures_servers", "tests.fixtures_django", "tests.fixtures_appliance", "tests.longest_first"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here and not beside the fault runs: pytest reads only this file before it reads its options."""
    parser.addoption("--soak", action="store_true", help="the fault runs at full length (make soak)")
