"""What deploy/ promises: variables explained, ports closed to others, no password in it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from mineralsweep.cli.main import command_parser
from tests.conftest import ROOT

TEXT = (ROOT / "deploy" / "compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
EXAMPLE = (ROOT / "deploy" / "example.env").read_text()


def test_every_variable_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    given = set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))
    assert asked == given


def test_passwords_have_no_default() -> None:
    for name in ("DATABASE_PASSWORD", "ARTIFACTS_PASSWORD"):
        assert re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE)
        assert f"${{{name}:?" in TEXT


def test_ports_are_open_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_mlflow_and_the_search_have_a_database_each() -> None:
    server = SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"]
    search = SERVICES["driver"]["environment"]["MINERALSWEEP_STORAGE"]
    assert server.rpartition("/")[2] == SERVICES["database"]["environment"]["POSTGRES_DB"]
    assert (
        f"CREATE DATABASE {search.rpartition('/')[2]};"
        in (ROOT / "deploy" / "databases.sql").read_text()
    )
    assert server != search


def test_every_service_waits_for_one_that_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_driver_runs_a_command_that_exists() -> None:
    command = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SERVICES["driver"]["command"])
    program, *words = shlex.split(command)
    assert program == "mineralsweep"
    options = command_parser().parse_args(words)
    assert (ROOT / options.file).is_file()


def test_the_image_copies_what_is_there() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "deploy" / "Dockerfile").read_text(), re.M)
    names = {name for line in copied for name in line.split()}
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert names >= {"pyproject.toml", "setup.py", "README.md", "mineralsweep", "sweeps"}


def test_the_ray_cluster_keeps_ray_s_own_schema() -> None:
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    config = yaml.safe_load((ROOT / "deploy" / "ray-cluster.yaml").read_text())
    jsonschema.validate(config, json.loads(schema.read_text()))
    assert config["head_node_type"] in config["available_node_types"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**config, "nodes": 3}, json.loads(schema.read_text()))


def test_nothing_of_the_kubernetes_cluster_is_open_to_the_outside() -> None:
    cluster, policy = yaml.safe_load_all((ROOT / "deploy" / "kuberay.yaml").read_text())
    head = cluster["spec"]["headGroupSpec"]
    assert head["serviceType"] == "ClusterIP"
    assert head["rayStartParams"]["num-cpus"] == "0"
    own = {"ray.io/cluster": cluster["metadata"]["name"]}
    assert policy["spec"]["podSelector"]["matchLabels"] == own
    [rule] = policy["spec"]["ingress"]
    assert [one["podSelector"]["matchLabels"] for one in rule["from"]] == [own]
