"""docker-compose.yml: what must be true of every service, also of the next one, and of the example of two nodes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = sorted(COMPOSE["services"])
SECOND_NODE = ["accessd2", "scheduler2", "smtpd2", "web2", "worker2"]
LONG_RUNNING = [name for name in SERVICES if name not in ("migrate", "balancer")]


def program(service: str) -> str:
    """What runs there."""
    return service.removesuffix("2")


def test_every_role_is_there():
    assert [
        *("accessd", "migrate", "postgres", "redis", "scheduler", "smtpd", "web", "worker"),
    ] == sorted(set(SERVICES) - {*SECOND_NODE, "balancer"})


@pytest.mark.parametrize("name", SERVICES)
def test_least_rights(name):
    service = COMPOSE["services"][name]

    assert service["user"] == "10000:10000"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_each_long_running_service_has_a_health_check_that_its_entrypoint_knows(name):
    check = COMPOSE["services"][name]["healthcheck"]["test"]

    assert check == ["CMD", "deploy/entrypoint.sh", "probe", program(name)]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_each_service_sees_at_most_its_own_keys(name):
    own = {"postgres": "admin", "scheduler": "queue", "worker": "queue"}.get(program(name), program(name))

    keys = [volume.split(":")[0] for volume in COMPOSE["services"][name]["volumes"] if volume.startswith("keys-")]

    assert keys == [f"keys-{own}"]


def test_the_servers_are_reached_by_nobody_outside():
    assert COMPOSE["networks"]["servers"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert COMPOSE["services"][name]["networks"] == ["servers"]
        assert "ports" not in COMPOSE["services"][name]


def test_every_volume_is_declared_and_used():
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]}

    assert used - {"./deploy/haproxy.cfg"} == set(COMPOSE["volumes"])


def test_every_command_is_one_of_the_entrypoint():
    entrypoint = (ROOT / "deploy" / "entrypoint.sh").read_text()

    for name, service in COMPOSE["services"].items():
        if name != "balancer":
            (command,) = service["command"]
            assert f"\n{command})\n" in entrypoint


# The example of two nodes.


def variables(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_second_node_is_there_only_when_it_is_asked_for():
    for name in SERVICES:
        assert COMPOSE["services"][name].get("profiles", []) == (
            ["two-nodes"] if name in (*SECOND_NODE, "balancer") else []
        )


@pytest.mark.parametrize("name", SECOND_NODE)
def test_the_second_node_is_as_the_first(name):
    first, second = COMPOSE["services"][program(name)], COMPOSE["services"][name]

    for key in ("command", "networks", "environment", "healthcheck"):
        assert second[key] == first[key]
    assert not second.get("ports")
    assert set(second["volumes"]) - set(first["volumes"]) == {"log2:/var/lib/mailkeep/log"}
    assert set(first["volumes"]) <= set(second["volumes"])


def test_the_balancer_finds_every_port_and_name_of_its_configuration():
    service = COMPOSE["services"]["balancer"]
    configuration = (ROOT / "deploy" / "haproxy.cfg").read_text()
    wanted = set(re.findall(r"\$\{(\w+)\}", configuration))

    assert wanted <= set(service["environment"])
    for name in wanted:
        if re.fullmatch("(SMTPD|ACCESSD|WEB)[12]", name):
            reached = COMPOSE["services"][service["environment"][name]]
            assert "nodes" in reached["networks"]
            assert program(service["environment"][name]) == name[:-1].lower()
    published = {port.rpartition(":")[2] for port in service["ports"]}
    assert published == {
        value for name, value in service["environment"].items() if re.fullmatch(r"BALANCER_\w+_PORT", name)
    }


def test_the_example_opens_the_ports_for_balancers_and_leaves_the_public_ones_to_the_balancer():
    example = variables((ROOT / "deploy" / "two-nodes.env").read_text())
    environment = COMPOSE["services"]["smtpd"]["environment"]

    off = {name for name, value in environment.items() if str(value).endswith(":-0}")}
    assert off == {name for name in example if name.endswith("_PROXY_PORT")}
    assert all(value.startswith("127.0.0.1:") for name, value in example.items() if name.endswith("_PUBLISH"))
    assert example["NODES_SUBNET"] in (ROOT / "docker-compose.yml").read_text()
