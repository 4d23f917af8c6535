"""Fixtures shared by all tests, by what they bring: servers, Django on them, a whole running appliance."""

pytest_plugins = ["tests.fixtures_servers", "tests.fixtures_django", "tests.fixtures_appliance"]
