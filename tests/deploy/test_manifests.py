"""What describes containers to an engine or a cluster is well-formed, and names only what the services really have."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml
from typer.exceptions import TyperException

from deploy import manifests
from schemas.topics import TOPICS
from services.__main__ import SERVICES, command_line
from services.ingest.registry import platforms, slugs
from services.kit.clock import SystemClock
from services.kit.kafka.publisher import MemoryPublisher
from services.kit.keys import MemoryKeyRing
from services.kit.settings import KitSettings, describe_settings
from services.reporting.adapters.memory import MemoryProjections, MemoryReports
from services.reporting.adapters.memory_neighbours import MemoryNeighbour
from services.reporting.adapters.memory_parcels import MemoryParcels
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.asking import Asker
from services.reporting.dashboard.pages import Dashboard
from services.reporting.events import Hub
from services.reporting.logins import Logins
from services.reporting.neighbours import Neighbours
from tests.deploy.manifests import COMPOSE, DEPLOY, DOCKERFILE, KUBERNETES, ROOT, documents, yaml_files

OUR_IMAGE = re.compile(r"^sync-order(:[\w.]+)?$")
#: Settings of the interpreter and its installer, which the Dockerfile sets beside ours.
NOT_OURS = re.compile(r"^(PATH|PYTHON\w+|PIP_\w+)$")
#: What manifests build PUBLIC_URL from; the services never read it.
DOMAIN = "PUBLIC_DOMAIN"
#: An image of a public library: no host before the name, a version behind it.
PLAIN_IMAGE = re.compile(r"^[a-z0-9-]+(/[a-z0-9-]+)?:[\w.-]+$")
GROUPS = ("eligibility", "reporting")
#: Kinds that the cluster learns from an operator; no schema of them is at hand.
LEARNT_KINDS = {"ScaledObject"}
KUSTOMIZE = {"Kustomization", "Component"}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here to render with")


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kustomizations() -> list[tuple[Path, dict[str, Any]]]:
    return [(path, documents(path)[0]) for path in KUBERNETES.rglob("kustomization.yaml")]


def laid_over() -> set[Path]:
    """The files that are only parts of objects."""
    found = [
        (path.parent / patch["path"])
        for path, it in kustomizations()
        for patch in it.get("patches", [])
        if "path" in patch
    ]
    return {path.resolve() for path in found}


def written() -> list[dict[str, Any]]:
    """Every object as it stands in its file."""
    whole = [path for path in yaml_files(KUBERNETES) if path.resolve() not in laid_over()]
    return [each for path in whole for each in documents(path) if each["kind"] not in KUSTOMIZE]


@cache
def rendered(folder: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def invalid(objects: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for each in objects:
        if each["kind"] in LEARNT_KINDS:
            continue
        try:
            kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            found.append(f"{each['kind']} {each['metadata']['name']}: {error}")
    return found


def pods(objects: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "Job"})


def containers(objects: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for pod in pods(objects):
        yield from pod.get("initContainers", [])
        yield from pod.get("containers", [])


def secret_sources(objects: Sequence[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    return [
        source["secret"]
        for pod in pods(written() if objects is None else objects)
        for volume in pod["volumes"]
        if volume["name"] == "secrets"
        for source in volume["projected"]["sources"]
    ]


def parts() -> list[dict[str, Any]]:
    return [each for path in laid_over() for each in documents(path)]


def composed() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml that run our image."""
    return {name: it for name, it in COMPOSE["services"].items() if OUR_IMAGE.match(it["image"])}


def known_settings() -> set[str]:
    models: list[Any] = [KitSettings, *map(settings_of, SERVICES), *(platform.settings for platform in platforms())]
    return {row.name for model in models for row in describe_settings(model)} | {"SECRETS_DIR"}


def settings_of(service: str) -> type[KitSettings]:
    model: type[KitSettings] = import_module(f"services.{service}.app").SETTINGS
    return model


def usual_port(service: str) -> int:
    rows = describe_settings(settings_of(service))
    return next(int(row.default) for row in rows if row.name == f"{service.upper()}_PORT")


def refused(arguments: Sequence[str]) -> str | None:
    """What the command line has against these arguments, without running them."""
    root = typer.main.get_command(command_line)
    try:
        with root.make_context("services", list(arguments)) as context:
            name, command, rest = root.resolve_command(context, list(arguments))  # type: ignore[attr-defined]
            command.make_context(name, rest, parent=context)
    except TyperException as error:
        return f"{list(arguments)}: {error}"
    if name == "ingest" and not set(arguments[1:]) <= {*slugs(), "all"}:
        return f"{list(arguments)}: no such platform"
    return None


def test_the_dockerfile_passes_its_linter() -> None:
    result = tool("hadolint", "--no-color", DEPLOY / "Dockerfile")

    assert (result.returncode, result.stdout) == (0, "")


def test_the_image_does_not_run_as_root() -> None:
    last = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last)


def test_what_the_image_is_made_of_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)
    sources = [ROOT / source for line in copied for source in line.split()]

    assert sources
    assert [source for source in sources if not source.exists()] == []


def test_every_yaml_file_passes_its_linter() -> None:
    result = tool("yamllint", "--strict", "--config-file", DEPLOY / ".yamllint", *yaml_files(DEPLOY))

    assert (result.returncode, result.stdout) == (0, "")


def test_every_object_is_one_that_a_cluster_takes() -> None:
    objects = written()

    assert {each["kind"] for each in objects} >= {"Deployment", "Job", "Service", "NetworkPolicy", "Ingress"}
    assert invalid(objects) == []


@needs_kubectl
@pytest.mark.parametrize("folder", ["base", "example"])
def test_what_the_folders_render_to_is_what_a_cluster_takes(folder: str) -> None:
    assert invalid(rendered(folder)) == []


@needs_kubectl
@pytest.mark.parametrize("folder", ["base", "example"])
def test_every_deployment_is_watched_and_confined(folder: str) -> None:
    deployments = [each["spec"]["template"]["spec"] for each in rendered(folder) if each["kind"] == "Deployment"]

    assert len(deployments) == len(slugs()) + 2
    for pod in deployments:
        [service] = pod["containers"]
        assert {"startupProbe", "livenessProbe", "readinessProbe", "lifecycle"} <= service.keys()
        assert pod["terminationGracePeriodSeconds"] == 45
        assert pod["securityContext"]["runAsNonRoot"]
        for container in containers([{"kind": "Deployment", "spec": {"template": {"spec": pod}}}]):
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_every_file_belongs_to_a_kustomization() -> None:
    belongs = {
        (path.parent / name).resolve() for path, it in kustomizations() for name in it.get("resources", [])
    } | laid_over()
    files = {path.resolve() for path in yaml_files(KUBERNETES) if path.name != "kustomization.yaml"}

    assert {path for path in belongs if not path.exists()} == set()
    assert files - belongs == set()


def test_there_is_a_deployment_for_every_platform_and_every_other_service() -> None:
    arguments = {
        tuple(pod["containers"][0]["args"])
        for each in written()
        if each["kind"] == "Deployment"
        for pod in pods([each])
    }

    assert arguments == {*(("ingest", slug) for slug in slugs()), ("eligibility",), ("reporting",)}


def test_every_environment_name_is_a_setting() -> None:
    named = {name for service in composed().values() for name in service["environment"]}
    named |= {each["name"] for container in containers([*written(), *parts()]) for each in container.get("env", [])}
    named |= {
        literal.partition("=")[0]
        for _, it in kustomizations()
        for generated in it.get("configMapGenerator", [])
        for literal in generated["literals"]
    }
    lines = re.findall(r"^ENV (.+)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)
    in_image = {pair.partition("=")[0] for line in lines for pair in line.split()}
    named |= {name for name in in_image if not NOT_OURS.match(name)}

    assert named >= {"KAFKA_BOOTSTRAP_SERVERS", "PUBLIC_URL", "MASTER_KEY_FILE", "SECRETS_DIR"}
    assert named - known_settings() == {DOMAIN}


def test_every_secret_file_is_a_setting() -> None:
    files = {name.upper() for service in composed().values() for name in service.get("secrets", [])}
    files |= {item["path"].upper() for source in secret_sources() for item in source.get("items", [])}

    assert files == {"DATABASE_URL"}
    assert files <= known_settings()


def test_every_platform_gets_its_own_secret_whole_and_no_others() -> None:
    for each in written():
        if each["kind"] == "Deployment":
            service, *platform = next(pods([each]))["containers"][0]["args"]
            wanted = {"sync-order-database", *(f"sync-order-{slug}" for slug in platform)}

            assert {source["name"] for source in secret_sources([each])} == wanted, service


def test_compose_gives_ingest_every_setting_that_lies_beside_it() -> None:
    ingest = composed()["ingest"]
    folder = ingest["environment"]["SECRETS_DIR"]

    assert f"./secrets:{folder}:ro" in ingest["volumes"]
    assert ingest["command"] == ["ingest", "all"]


def test_every_secret_is_one_that_the_operators_page_tells_how_to_make() -> None:
    asked = {source["name"] for source in secret_sources()} | set(
        re.findall(r"secretName: (sync-order-\S+)", _all_text())
    )
    by_hand = asked - {f"sync-order-{slug}" for slug in slugs()} - {"sync-order-tls"}

    assert by_hand == {"sync-order-database", "sync-order-master-key"}
    assert {name for name in {*by_hand, "sync-order-SLUG"} if f"secret generic {name} " not in OPERATIONS} == set()
    assert {name for name in COMPOSE["secrets"] if name not in OPERATIONS} == set()


def test_what_is_written_for_each_platform_is_up_to_date() -> None:
    stale = [path for path, text in manifests.rendered(slugs()).items() if path.read_text() != text]

    assert stale == [], "run `python -m deploy.manifests`"


def test_a_seventh_platform_gets_all_that_the_others_have() -> None:
    objects = [
        each
        for text in manifests.rendered(["seventh"]).values()
        for each in yaml.safe_load_all(text)
        if "seventh" in each["metadata"]["name"]
    ]

    assert sorted(each["kind"] for each in objects) == ["Deployment", "Ingress", "PodDisruptionBudget", "Service"]
    assert invalid(objects) == []
    assert manifests.PLACE not in str(objects)


@needs_kubectl
def test_every_platform_is_reached_under_the_address_that_it_tells_its_platform() -> None:
    objects = rendered("example")
    [domain] = [each["data"][DOMAIN] for each in objects if each["kind"] == "ConfigMap"]
    hosts = {rule["host"]: rule for each in objects if each["kind"] == "Ingress" for rule in each["spec"]["rules"]}
    secured = {
        host for each in objects if each["kind"] == "Ingress" for tls in each["spec"]["tls"] for host in tls["hosts"]
    }

    for slug in slugs():
        [service] = [
            container
            for each in objects
            if each["kind"] == "Deployment" and each["metadata"]["name"] == f"ingest-{slug}"
            for container in next(pods([each]))["containers"]
        ]
        told = {each["name"]: each.get("value", "") for each in service["env"]}["PUBLIC_URL"]
        assert told == f"https://{slug}.$({DOMAIN})"
        assert {path["backend"]["service"]["name"] for path in hosts[f"{slug}.{domain}"]["http"]["paths"]} == {
            f"ingest-{slug}"
        }
    assert secured == hosts.keys()


def test_every_command_is_one_of_the_command_line() -> None:
    commands = [service["command"] for service in composed().values()]
    commands += [container["args"] for container in containers(written()) if "args" in container]

    assert len(commands) >= 10
    assert [problem for command in commands if (problem := refused(command))] == []


def test_every_port_is_the_one_that_the_service_takes() -> None:
    ports = {
        pod["containers"][0]["args"][0]: pod["containers"][0]["ports"][0]["containerPort"]
        for each in written()
        if each["kind"] == "Deployment"
        for pod in pods([each])
    }
    published = {name: int(it["ports"][0].split(":")[-1]) for name, it in composed().items() if "ports" in it}
    usual = {name: usual_port(name) for name in SERVICES}

    assert ports == usual
    assert published == usual


def test_every_image_is_named_without_a_host_and_with_a_version() -> None:
    images = [
        *re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE),
        *(it["image"] for it in COMPOSE["services"].values()),
    ]
    others = {image for image in images if not PLAIN_IMAGE.match(image)}

    assert others == set()
    assert all(OUR_IMAGE.match(container["image"]) for container in containers(written()))


def test_compose_names_only_what_it_declares() -> None:
    for name, service in COMPOSE["services"].items():
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}

        assert {volume for volume in volumes if not volume.startswith("./")} <= COMPOSE["volumes"].keys(), name
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys(), name
        assert set(service.get("depends_on", {})) <= COMPOSE["services"].keys(), name


def test_scaling_looks_at_groups_and_topics_that_exist() -> None:
    deployments = {each["metadata"]["name"] for each in written() if each["kind"] == "Deployment"}
    scaled = [each["spec"] for each in written() if each["kind"] == "ScaledObject"]
    [literals] = [
        each["literals"]
        for path, it in kustomizations()
        if path.parent.name == "base"
        for each in it["configMapGenerator"]
    ]
    partitions = next(int(line.partition("=")[2]) for line in literals if line.startswith("TOPIC_PARTITIONS="))

    assert scaled
    for spec in scaled:
        assert spec["scaleTargetRef"]["name"] in deployments
        assert spec["maxReplicaCount"] <= partitions
        for trigger in spec["triggers"]:
            assert trigger["metadata"]["consumerGroup"] in GROUPS
            assert trigger["metadata"]["topic"] in {topic.name for topic in TOPICS}


def test_the_world_reaches_services_that_exist_and_never_their_metrics() -> None:
    services = {each["metadata"]["name"] for each in written() if each["kind"] == "Service"}
    ingresses = [each["spec"] for each in written() if each["kind"] == "Ingress"]
    paths = [path for ingress in ingresses for rule in ingress["rules"] for path in rule["http"]["paths"]]

    assert {path["backend"]["service"]["name"] for path in paths} == services
    assert [path for path in paths if path["path"] == "/" and path["pathType"] != "Exact"] == []
    assert [path for path in paths if path["path"].startswith(("/metrics", "/livez", "/readyz"))] == []


def _all_text() -> str:
    return "\n".join(path.read_text() for path in yaml_files(KUBERNETES))


def test_the_reports_host_leads_to_every_page() -> None:
    projections, clock = MemoryProjections(), SystemClock()
    page = Dashboard(
        MemoryReports(projections),
        Hub(projections),
        proofs=MemoryProofs(projections),
        parcels=MemoryParcels(projections),
        asker=Asker(MemoryPublisher(), clock=clock),
        neighbours=Neighbours(MemoryNeighbour(), MemoryNeighbour()),
        logins=Logins(MemoryKeyRing(), vault=None, clock=clock, lasts=timedelta(hours=1)),  # type: ignore[arg-type]
        clock=clock,
        connect_at="",
    )
    pages = {"/" + route.path.split("/")[1] for route in page.routes()}

    [report] = [rule for rule in written_host_rules() if rule["host"] == "report.domain"]
    led_to = {path["path"] for path in report["http"]["paths"]}

    assert pages - led_to == set()


def written_host_rules() -> Iterator[dict[str, Any]]:
    for each in documents(KUBERNETES / "components" / "hosts" / "services.yaml"):
        yield from each["spec"]["rules"]
