"""Reads a page in both text formats with the reference parser, and says how they differ.

    reference.py CLASSIC OPENMETRICS

Values of the fleet are compared; the exporter's own change between two scrapes, so of those the
names, labels, types and helps are.
"""

import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as classic

FLEET = "huaweicloud_sms_"


def read(parse, path):
    """The samples, and type and help by the name of a family's samples."""
    samples, families = {}, {}
    with open(path, encoding="utf-8") as file:
        for family in parse(file.read()):
            for sample in family.samples:
                series = (sample.name, tuple(sorted(sample.labels.items())))
                if series in samples:
                    sys.exit(f"{path}: {series} is there twice")
                samples[series] = sample.value
                kind = "gauge" if family.type == "info" else family.type
                families[sample.name] = (kind, family.documentation)
    return samples, families


def differences(one, other):
    """What one of two dictionaries says otherwise."""
    for key in sorted(set(one) | set(other)):
        if one.get(key) != other.get(key):
            yield f"{key}: {one.get(key)} in the classic page, {other.get(key)} in OpenMetrics"


def main(classic_path, openmetrics_path):
    """0 when both pages say the same."""
    samples, families = read(classic.text_string_to_metric_families, classic_path)
    open_samples, open_families = read(openmetrics.text_string_to_metric_families, openmetrics_path)

    def comparable(all_samples):
        return {series: value if series[0].startswith(FLEET) else "there" for series, value in all_samples.items()}

    wrong = list(differences(comparable(samples), comparable(open_samples)))
    wrong += differences(families, open_families)
    untold = [name for name, (kind, documentation) in families.items() if kind == "unknown" or not documentation]
    wrong += [f"{name} has no type or no help" for name in untold]
    print("\n".join(wrong) if wrong else f"{len(samples)} samples")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
