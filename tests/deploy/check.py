#!/usr/bin/env python3
"""Holds every file of deploy/ to the tool that is made for it.

    python3 tests/deploy/check.py [--binary target/debug/sms-exporter] [--static …-musl/release/sms-exporter]

With a static binary, the image is run as well, its demo scraped, without a network of its own. Prints a line for each check that fails, then "N passed, N failed". A missing tool is a failure that
names what to install; a file in deploy/ that no check looks at is one as well.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

# Exposure that systemd gives a service, from 0 (none) to 10 (everything).
EXPOSURE_BELOW = 2.0
KUBERNETES_VERSION = "1.31"
# A bcrypt hash, which web.yml leaves to its reader.
BCRYPT = "$2y$10$Il4oYBvq4mF5AxPWoVz9s.HwZB3Cp1bEFoDvVcbkvK4VgvPpJ3hjq"

PACKAGES = {
    "systemd-analyze": "Debian's package systemd",
    "promtool": "Debian's package prometheus",
    "amtool": "Debian's package prometheus-alertmanager",
    "buildah": "Debian's package buildah",
    "podman": "Debian's package podman",
    "openssl": "Debian's package openssl",
}

CHECKS = []

# A binary that needs no libc, if one was given.
STATIC = None


class Failure(Exception):
    """What is wrong, in a sentence."""


def check(*files):
    """Marks a check, and which files of deploy/ it looks at."""

    def mark(function):
        CHECKS.append((function, files))
        return function

    return mark


def need(condition, message):
    if not condition:
        raise Failure(message)


def run(*command, env=None, cwd=None):
    tool = command[0]
    if "/" not in str(tool) and shutil.which(tool) is None:
        raise Failure(f"{tool} is missing: install {PACKAGES.get(tool, tool)}")
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=120)
    return done.returncode, done.stdout + done.stderr


def passes(*command, **how):
    status, told = run(*command, **how)
    need(status == 0, f"{Path(str(command[0])).name} ended with {status}: {told.strip()}")
    return told


def module(name, package):
    try:
        return __import__(name)
    except ImportError:
        raise Failure(f"{package} is missing: pip install -r tests/requirements.txt") from None


def documents(path):
    return [document for document in module("yaml", "PyYAML").safe_load_all(path.read_text()) if document]


def document(path):
    (only,) = documents(path)
    return only


def named(name):
    return document(KUBERNETES / f"{name}.yaml")


# The exporter's own files


def accepts(binary, path, *flags, variables=()):
    environment = {name: "fake" for name in variables}
    told = passes(binary, f"--config.file={path}", "--config.check", *flags, env=environment)
    need(told.startswith("ok\n"), f"the exporter says of {path.name}: {told}")


@check("sms-exporter.yml")
def the_exporter_accepts_its_example(binary, _scratch):
    names = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
    accepts(binary, DEPLOY / "sms-exporter.yml", variables=names)
    status, told = run(binary, f"--config.file={DEPLOY / 'sms-exporter.yml'}", "--config.check", env={})
    need(status == 2 and "access_key_env" in told, f"keys that are not there must be told: {told}")


@check("web.yml")
def the_exporter_accepts_the_web_example(binary, scratch):
    text = (DEPLOY / "web.yml").read_text()
    need("BCRYPT_HASH" in text, "web.yml must not come with a password")
    (scratch / "web.yml").write_text(text.replace("BCRYPT_HASH", BCRYPT))
    certificate(scratch, "server")
    names = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
    flag = f"--web.config.file={scratch / 'web.yml'}"
    accepts(binary, DEPLOY / "sms-exporter.yml", flag, variables=names)
    passes("promtool", "check", "web-config", scratch / "web.yml")


def certificate(directory, name):
    key, pem = directory / f"{name}.key", directory / f"{name}.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    passes(*request, "-subj", "/CN=test", "-days", "2", "-keyout", str(key), "-out", str(pem))


# systemd


@check("systemd/sms-exporter.service", "systemd/sms-exporter.env")
def systemd_finds_no_fault_with_the_unit(binary, scratch):
    unit = scratch / "sms-exporter.service"
    text = (DEPLOY / "systemd/sms-exporter.service").read_text()
    need("/usr/local/bin/sms-exporter" in text, "the unit names no binary")
    unit.write_text(text.replace("/usr/local/bin/sms-exporter", str(binary)))
    told = passes("systemd-analyze", "verify", "--man=no", unit)
    need(unit.name not in told, f"systemd-analyze verify: {told.strip()}")


@check("systemd/sms-exporter.service")
def the_unit_is_little_exposed(_binary, _scratch):
    unit = DEPLOY / "systemd/sms-exporter.service"
    told = passes("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    level = re.search(r"exposure level for \S+: ([0-9.]+)", told)
    need(level, f"no exposure was told: {told}")
    need(float(level[1]) < EXPOSURE_BELOW, f"exposure is {level[1]}, not below {EXPOSURE_BELOW}")


@check("systemd/sms-exporter.service")
def the_unit_may_be_reloaded_at_once_is_watched_and_leaves_no_core(_binary, _scratch):
    lines = (DEPLOY / "systemd/sms-exporter.service").read_text().splitlines()
    for line in ("Type=notify", "WatchdogSec=60s", "Restart=on-failure", "LimitCORE=0"):
        need(line in lines, f"the unit lacks {line}")


@check("systemd/sms-exporter.env", "systemd/sms-exporter.service")
def the_environment_file_holds_assignments_and_no_secret(_binary, _scratch):
    lines = (DEPLOY / "systemd/sms-exporter.env").read_text().splitlines()
    for line in lines:
        need(not line or line.startswith("#") or re.fullmatch(r"[A-Z_]+=", line), f"what is {line!r}?")
    unit = (DEPLOY / "systemd/sms-exporter.service").read_text()
    need("$SMS_EXPORTER_FLAGS" in unit and "SMS_EXPORTER_FLAGS=" in lines, "the flags go nowhere")


# Kubernetes


@check(*(f"kubernetes/{name}.yaml" for name in
         ("configmap", "secret.example", "deployment", "service", "networkpolicy")))
def kubernetes_accepts_every_object_strictly(_binary, _scratch):
    validate = module("kubernetes_validate", "kubernetes-validate")
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for data in documents(path):
            if data["apiVersion"].split("/")[0] in ("kustomize.config.k8s.io", "monitoring.coreos.com"):
                continue
            try:
                validate.validate(data, KUBERNETES_VERSION, strict=True)
            except Exception as error:
                raise Failure(f"{path.name}: {error}") from None


@check("kubernetes/deployment.yaml")
def the_pod_may_do_nothing(_binary, _scratch):
    pod = named("deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    own = container["securityContext"]
    need(pod["securityContext"]["runAsNonRoot"] is True, "the pod may run as root")
    need(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "seccomp is off")
    need(pod["automountServiceAccountToken"] is False, "the pod gets a token of the cluster")
    need(own["readOnlyRootFilesystem"] is True, "the root file system can be written to")
    need(own["allowPrivilegeEscalation"] is False and own["privileged"] is False, "privileges")
    need(own["capabilities"] == {"drop": ["ALL"]}, "capabilities are left")
    need("limits" in container["resources"] and "requests" in container["resources"], "no resources")
    for probe in ("livenessProbe", "readinessProbe"):
        need(container[probe]["httpGet"]["port"] == "metrics", f"{probe} asks another port")


@check("kubernetes/deployment.yaml", "kubernetes/service.yaml", "kubernetes/servicemonitor.yaml",
       "kubernetes/podmonitor.yaml", "kubernetes/networkpolicy.yaml", "kubernetes/configmap.yaml",
       "kubernetes/secret.example.yaml")
def the_objects_find_one_another(_binary, _scratch):
    template = named("deployment")["spec"]["template"]
    labels = template["metadata"]["labels"]
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    service = named("service")
    need(named("deployment")["spec"]["selector"]["matchLabels"] == labels, "the deployment's pods")
    need(service["spec"]["selector"] == labels, "the service's pods")
    (port,) = service["spec"]["ports"]
    need(port["targetPort"] in ports and ports["metrics"] == port["port"], "the service's port")
    need(named("networkpolicy")["spec"]["podSelector"]["matchLabels"] == labels, "the policy's pods")
    (ingress,) = named("networkpolicy")["spec"]["ingress"]
    need(ingress["ports"][0]["port"] == ports["metrics"], "the policy's port")
    sources = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    need(sources["config"]["configMap"]["name"] == named("configmap")["metadata"]["name"], "the ConfigMap")
    need(sources["keys"]["secret"]["secretName"] == named("secret.example")["metadata"]["name"], "the Secret")
    need({mount["name"] for mount in container["volumeMounts"]} == set(sources), "volumes and mounts differ")
    monitor(named("servicemonitor"), "ServiceMonitor", "endpoints", service["metadata"]["labels"], [port["name"]])
    monitor(named("podmonitor"), "PodMonitor", "podMetricsEndpoints", labels, ports)


def monitor(data, kind, endpoints, labels, ports):
    """The Prometheus Operator's own definitions are no part of Kubernetes: held to their documented shape."""
    need((data["apiVersion"], data["kind"]) == ("monitoring.coreos.com/v1", kind), kind)
    need(set(data["spec"]) == {"jobLabel", "selector", endpoints}, f"{kind}: unknown keys")
    jobs = jobs_of_the_rules()
    need(jobs == {labels.get(data["spec"]["jobLabel"])}, f"{kind}: the job is not that of the rules, {sorted(jobs)}")
    need(data["spec"]["selector"] == {"matchLabels": labels}, f"{kind} selects something else")
    (endpoint,) = data["spec"][endpoints]
    need(set(endpoint) == {"port", "path", "interval", "scrapeTimeout"}, f"{kind}: unknown keys")
    need(endpoint["port"] in ports and endpoint["path"] == "/metrics", f"{kind} scrapes something else")


def jobs_of_the_rules():
    """The jobs by which the rules know an exporter."""
    return set(re.findall(r'\bjob="([^"]*)"', (ROOT / "alerts/huaweicloud-sms.rules.yml").read_text()))


@check("prometheus/compose.yml", "prometheus/plain.yml", "prometheus/secured.yml", "prometheus/narrowed.yml")
def every_scrape_configuration_names_the_job_of_the_rules(_binary, _scratch):
    for path in sorted((DEPLOY / "prometheus").glob("*.yml")):
        jobs = {config["job_name"] for config in document(path)["scrape_configs"]}
        need(jobs_of_the_rules() <= jobs, f"{path.name} has the jobs {sorted(jobs)}")


@check("kubernetes/configmap.yaml", "kubernetes/deployment.yaml", "kubernetes/secret.example.yaml")
def the_exporter_accepts_what_the_pod_is_given(binary, scratch):
    keys = named("secret.example")["stringData"]
    for name in keys:
        (scratch / name).write_text("fake\n")
    text = named("configmap")["data"]["sms-exporter.yml"]
    need(all(f"/var/run/secrets/sms-exporter/{name}" in text for name in keys), "the Secret's keys are not used")
    (scratch / "sms-exporter.yml").write_text(text.replace("/var/run/secrets/sms-exporter", str(scratch)))
    (container,) = named("deployment")["spec"]["template"]["spec"]["containers"]
    flags = [flag for flag in container["args"] if not flag.startswith("--config.file=")]
    accepts(binary, scratch / "sms-exporter.yml", *flags)
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    need({"/etc/sms-exporter", "/var/run/secrets/sms-exporter", "/var/lib/sms-exporter"} == mounts, "mounts")


@check("kubernetes/kustomization.yaml")
def the_kustomization_names_what_is_there(_binary, _scratch):
    data = document(KUBERNETES / "kustomization.yaml")
    need(data["kind"] == "Kustomization", "not a kustomization")
    for resource in data["resources"]:
        path = KUBERNETES / resource
        need(path.exists(), f"{resource} is missing")
        if path.is_dir():
            inner = document(path / "kustomization.yaml")
            for name in inner["resources"]:
                need((path / name).exists(), f"{resource}/{name} is missing")
    images = {image["name"] for image in data["images"]}
    (container,) = named("deployment")["spec"]["template"]["spec"]["containers"]
    need(container["image"].split(":")[0] in images, "the image is another one")


# Prometheus, Alertmanager, Grafana, compose


@check("prometheus/compose.yml", "prometheus/plain.yml", "prometheus/secured.yml", "prometheus/narrowed.yml")
def promtool_accepts_every_scrape_configuration(_binary, scratch):
    copy = scratch / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", copy)
    for directory in ("tls", "rules"):
        (copy / directory).mkdir()
    for name in ("ca", "client"):
        certificate(copy / "tls", name)
    (copy / "tls/password").write_text("fake")
    rules = ROOT / "alerts/huaweicloud-sms.rules.yml"
    need(rules.exists(), f"{rules.relative_to(ROOT)} is missing")
    shutil.copy(rules, copy / "rules")
    for path in sorted(copy.glob("*.yml")):
        passes("promtool", "check", "config", path)


@check("grafana/provisioning/datasources/prometheus.yml", "grafana/provisioning/dashboards/huaweicloud-sms.yml")
def grafana_is_given_a_source_and_dashboards(_binary, _scratch):
    provisioning = DEPLOY / "grafana/provisioning"
    sources = document(provisioning / "datasources/prometheus.yml")
    (source,) = sources["datasources"]
    need(sources["apiVersion"] == 1 and source["type"] == "prometheus", "not a source of Prometheus")
    providers = document(provisioning / "dashboards/huaweicloud-sms.yml")
    (provider,) = providers["providers"]
    need(providers["apiVersion"] == 1 and provider["type"] == "file", "not a provider of files")
    services = document(DEPLOY / "compose.yaml")["services"]
    mounted = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    need(provider["options"]["path"] in mounted, "the dashboards are mounted somewhere else")
    need(source["url"] == "http://prometheus:9090" and "prometheus" in services, "the source is somewhere else")


@check("compose.yaml")
def compose_can_be_read_and_all_that_it_mounts_is_there(binary, _scratch):
    module("podman_compose", "podman-compose")
    # Which podman-compose runs, and without which it only says that it exited.
    passes("podman", "--version")
    command = (sys.executable, "-m", "podman_compose", "-f", DEPLOY / "compose.yaml", "config")
    passes(*command, cwd=DEPLOY)
    data = document(DEPLOY / "compose.yaml")
    for name, service in data["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (DEPLOY / source).exists() if source.startswith(".") else source in data["volumes"]
            need(there, f"{name} mounts {source}, which is missing")
        for port in service["ports"]:
            need(port.startswith("127.0.0.1:"), f"{name} listens to everybody")
    home = data["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    need((ROOT / "dashboards" / Path(home).name).exists(), f"{home} is missing")
    exporter = data["services"]["exporter"]
    need(exporter["command"] == ["demo"], "the exporter does not run the demo by default")
    passes("amtool", "check-config", ROOT / "alerts/alertmanager.example.yml")
    passes(binary, *exporter["command"], "--help", env={})


# The image


@check("Dockerfile")
def the_image_builds_from_a_binary_at_hand_and_has_nothing_else(binary, scratch):
    out = scratch / "out"
    out.mkdir()
    shutil.copy(STATIC or binary, out / "sms-exporter")
    certificate(scratch, "root")
    shutil.copy(scratch / "root.pem", out / "ca-certificates.crt")
    name = "localhost/sms-exporter-check"
    storage = ("--root", scratch / "root", "--runroot", scratch / "run", "--storage-driver", "vfs")
    build = ("buildah", *storage, "build", "--isolation", "chroot", "-f", DEPLOY / "Dockerfile")
    passes(*build, "--build-context", f"build={scratch}", "--target", "image", "-t", name, ROOT)
    told = json.loads(passes("buildah", *storage, "inspect", "--type", "image", name))
    config = told["OCIv1"]["config"]
    need(config["User"] == "65532:65532", f"the image runs as {config.get('User')}")
    need(config["Entrypoint"] == ["/sms-exporter"], "the image runs something else")
    need("10067/tcp" in config["ExposedPorts"], "the image exposes something else")
    container = passes("buildah", *storage, "from", name).strip().splitlines()[-1]
    tree = Path(passes("buildah", *storage, "mount", container).strip().splitlines()[-1])
    files = sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())
    need(files == ["etc/ssl/certs/ca-certificates.crt", "sms-exporter"], f"the image holds {files}")
    if STATIC:
        run_the_image(storage, container)


def run_the_image(storage, container):
    """Runs the demo in the image until it can be scraped, as the image's own user."""
    flag = "--web.listen-address=127.0.0.1:0"
    command = ["buildah", *storage, "run", "--isolation", "chroot", container, "--", "/sms-exporter", "demo", flag]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        told = ""
        try:
            for line in child.stderr:
                told += line
                address = re.search(r"Listening.*address=(127\.0\.0\.1:\d+)", line)
                if address:
                    with urllib.request.urlopen(f"http://{address[1]}/metrics", timeout=10) as page:
                        text = page.read().decode()
                    need("sms_exporter_build_info{" in text, "the demo's page lacks its own metrics")
                    return
        finally:
            child.terminate()
    raise Failure(f"the image does not run: {told}")


# Permissions


@check("iam/policy.json", "iam/identity-policy.json", "iam/README.md")
def the_policies_allow_reading_and_give_a_reason_for_each_action(_binary, _scratch):
    reasons = (DEPLOY / "iam/README.md").read_text()
    for name, version in (("policy.json", "1.1"), ("identity-policy.json", "5.0")):
        policy = json.loads((DEPLOY / "iam" / name).read_text())
        need(set(policy) == {"Version", "Statement"} and policy["Version"] == version, f"{name}: its form")
        (statement,) = policy["Statement"]
        need(set(statement) == {"Effect", "Action"} and statement["Effect"] == "Allow", f"{name}: its form")
        for action in statement["Action"]:
            need(re.fullmatch(r"sms:server:(queryServer|list|listTask|listErrors|overview|get\w+)", action), f"{action} writes")
            need(f"| `{action}`" in reasons, f"README.md gives no reason for {action}")


@check("README.md")
def the_readme_names_what_is_there(_binary, _scratch):
    for name in re.findall(r"`([\w./-]+)`", (DEPLOY / "README.md").read_text()):
        need((DEPLOY / name).exists() or (ROOT / name).exists(), f"{name} is missing")


def every_file_is_looked_at(_binary, _scratch):
    known = {name for _, files in CHECKS for name in files}
    there = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()}
    need(not there - known, f"no check looks at {sorted(there - known)}")
    need(not known - there, f"{sorted(known - there)} are missing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/sms-exporter")
    parser.add_argument("--static", type=Path)
    arguments = parser.parse_args()
    binary = arguments.binary.resolve()
    global STATIC
    STATIC = arguments.static.resolve() if arguments.static else None
    if not os.access(binary, os.X_OK):
        sys.exit(f"{binary} is missing: run cargo build first")
    passed = failed = 0
    for function in [every_file_is_looked_at, *(function for function, _ in CHECKS)]:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                function(binary, Path(scratch))
            passed += 1
        except (Failure, KeyError, ValueError, TypeError, OSError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAILED {function.__name__.replace('_', ' ')}: {type(error).__name__}: {error}")
    if STATIC is None:
        print("The image was built and looked at, but not run: give a --static binary.")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
