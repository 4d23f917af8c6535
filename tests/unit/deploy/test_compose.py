"""docker-compose.yml: what must be true of every service, also of the next one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = sorted(COMPOSE["services"])


def test_every_role_is_there():
    assert [
        *("accessd", "migrate", "postgres", "redis", "scheduler", "smtpd", "web", "worker"),
    ] == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_least_rights(name):
    service = COMPOSE["services"][name]

    assert service["user"] == "10000:10000"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_each_long_running_service_has_a_health_check_that_its_entrypoint_knows(name):
    check = COMPOSE["services"][name]["healthcheck"]["test"]

    assert check == ["CMD", "deploy/entrypoint.sh", "probe", name]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_each_service_sees_at_most_its_own_keys(name):
    own = {"postgres": "admin", "scheduler": "queue", "worker": "queue"}.get(name, name)

    keys = [volume.split(":")[0] for volume in COMPOSE["services"][name]["volumes"] if volume.startswith("keys-")]

    assert keys == [f"keys-{own}"]


def test_the_servers_are_reached_by_nobody_outside():
    assert COMPOSE["networks"]["servers"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert COMPOSE["services"][name]["networks"] == ["servers"]
        assert "ports" not in COMPOSE["services"][name]


def test_every_volume_is_declared_and_used():
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]}

    assert used == set(COMPOSE["volumes"])


def test_every_command_is_one_of_the_entrypoint():
    entrypoint = (ROOT / "deploy" / "entrypoint.sh").read_text()

    for service in COMPOSE["services"].values():
        (command,) = service["command"]
        assert f"\n{command})\n" in entrypoint
