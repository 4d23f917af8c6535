"""What the environment means."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailadmin.appliance.configuration import Configuration, ConfigurationError, program_environment
from mailadmin.appliance.home import CODE


def configuration(**environment: str) -> Configuration:
    return Configuration.from_environment({"MAIL_HOME": "/srv/mail", **environment})


def test_the_defaults_of_a_fresh_machine():
    found = configuration()

    assert [listener.address for listener in found.listeners] == [
        "127.0.0.1:2525",
        "127.0.0.1:2587",
        "127.0.0.1:2465",
        "127.0.0.1:2143",
        "127.0.0.1:2993",
        "127.0.0.1:2110",
        "127.0.0.1:2995",
        "127.0.0.1:8000",
    ]
    assert found.embeds_postgres
    assert found.embeds_valkey
    assert found.tls_cert == Path("/srv/mail/tls/cert.pem")
    assert found.public_url == "http://127.0.0.1:8000"


def test_mail_home_is_beside_manage_py_when_nothing_is_said():
    assert Configuration.from_environment({}).home == CODE / "var"


@pytest.mark.parametrize("off", ["0", ""])
def test_a_port_of_nothing_turns_its_listener_off(off):
    variables = {listener.variable for listener in configuration(POP3_PORT=off).listeners}

    assert "POP3_PORT" not in variables
    assert "POP3S_PORT" in variables


def test_ports_for_balancers_are_off_unless_they_are_named():
    names = {listener.variable for listener in configuration().listeners}
    assert not any("PROXY" in name for name in names)

    found = configuration(SMTP_PROXY_PORT="10025", IMAPS_PROXY_PORT="10993")

    listeners = {listener.variable: (listener.port, listener.role) for listener in found.listeners}
    assert listeners["SMTP_PROXY_PORT"] == (10025, "smtpd")
    assert listeners["IMAPS_PROXY_PORT"] == (10993, "accessd")
    assert found.child_environment("", "")["IMAPS_PROXY_PORT"] == "10993"


def test_several_addresses_each_get_every_port():
    found = configuration(LISTEN_ADDRESS="127.0.0.1, [::1]", WEB_PORT="8080")

    addresses = [listener.address for listener in found.listeners if listener.variable == "WEB_PORT"]
    assert addresses == ["127.0.0.1:8080", "[::1]:8080"]


def test_a_database_of_ones_own_is_not_embedded():
    found = configuration(DATABASE_URL="postgresql://db/mail", REDIS_URL="redis://cache/0")

    assert not found.embeds_postgres
    assert not found.embeds_valkey


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SMTP_PORT", "smtp"), ("WEB_PORT", "70000"), ("SMTPD_WORKERS", "0"), ("LISTEN_ADDRESS", " , ")],
)
def test_nonsense_is_named(variable, value):
    with pytest.raises(ConfigurationError, match=variable):
        configuration(**{variable: value})


def test_our_packages_come_before_the_standard_library():
    environment = program_environment({"PYTHONPATH": "/elsewhere"}, {})

    assert environment["PYTHONPATH"] == f"{CODE}:/elsewhere"


def test_panel_of_all_interfaces_is_reached_by_loopback():
    assert configuration(LISTEN_ADDRESS="0.0.0.0").public_url == "http://127.0.0.1:8000"
    assert configuration(LISTEN_ADDRESS="::").public_url == "http://[::1]:8000"
    assert configuration(PUBLIC_URL="https://mail.example.org/").public_url == "https://mail.example.org"


CHECK_IN_EIGHT_THREADS = """
from concurrent.futures import ThreadPoolExecutor
from mailcore.directory.passwords import DUMMY, check_password
def resident_kib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
before = resident_kib()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: check_password("wrong", DUMMY), range(32)))
    print(resident_kib() - before)
"""


def test_memory_of_password_checks_is_given_back():
    """Each thread of a pool used to keep the 19 MiB of an argon2 check for ever."""
    environment = program_environment(os.environ, {})

    kept = subprocess.run([sys.executable, "-c", CHECK_IN_EIGHT_THREADS], env=environment, capture_output=True)

    assert int(kept.stdout) < 20_000
