"""alerts/prometheusrule.yaml: the rules as the Prometheus operator wants them, made from the plain file."""

import yaml

HEAD = """\
# The rules of huaweicloud-sms.rules.yml for the Prometheus operator.
# Made by `python3 tests/alerts/check.py --write`: change the rules there, not here.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: huaweicloud-sms
  labels:
    app.kubernetes.io/name: sms-exporter
    # Whatever your Prometheus' ruleSelector asks for; kube-prometheus-stack wants `release: <name of the release>`.
    prometheus: k8s
    role: alert-rules
spec:
"""


def path(rules_file):
    """Where the manifest stands: beside the rules."""
    return rules_file.with_name("prometheusrule.yaml")


def manifest(rules_file):
    """The text of the manifest. The groups keep their comments and their anchors, which YAML's readers resolve."""
    text = rules_file.read_text()
    groups = text[text.index("\ngroups:\n") + 1:]
    return HEAD + "".join(f"  {line}" if line.strip() else line for line in groups.splitlines(keepends=True))


def write(rules_file):
    """Makes the manifest anew."""
    path(rules_file).write_text(manifest(rules_file))


def checks(rules, rules_file):
    """Whether the manifest that is checked in is that of the rules."""
    text = path(rules_file).read_text()
    made = yaml.safe_load(text)
    same = made["spec"] == {"groups": rules["groups"]}
    yield "prometheusrule.yaml holds the same rules", "" if same else "run check.py --write"
    yield "prometheusrule.yaml is as made from the rules", "" if text == manifest(rules_file) else "run check.py --write"
