"""A whole dashboard: its variables, its links and the places of its panels."""

from . import fresh
from .model import COLUMNS, DATASOURCE
from .queries import ACCOUNT, process

TAG = "huaweicloud-sms"


class Grid:
    """Puts panels side by side, as wide and as high as asked, and numbers them."""

    def __init__(self):
        self.panels = []
        self.x = self.y = self.height = 0

    def _line_end(self):
        self.y += self.height
        self.x = self.height = 0

    def _append(self, panel, width, height):
        if self.x + width > COLUMNS:
            self._line_end()
        place = {"h": height, "w": width, "x": self.x, "y": self.y}
        self.panels.append({"id": len(self.panels) + 1, "gridPos": place, **panel})
        self.x += width
        self.height = max(self.height, height)

    def row(self, title):
        """A heading across the grid."""
        self._line_end()
        self._append({"collapsed": False, "panels": [], "title": title, "type": "row"}, COLUMNS, 1)
        self._line_end()

    def line(self, height, *panels):
        """One line of (width, panel) pairs of the same height."""
        self._line_end()
        for width, panel in panels:
            self._append(panel, width, height)

    def numbers(self, height, *panels):
        """One line of panels that share the width as evenly as 24 columns allow."""
        share, rest = divmod(COLUMNS, len(panels))
        self.line(height, *[(share + (1 if i < rest else 0), p) for i, p in enumerate(panels)])


def _query_variable(name, label, description, text, *, regex="", many=True, everything=None, hide=0, kind=1):
    return {
        **({"allValue": everything} if everything else {}),
        "current": {},
        "datasource": DATASOURCE,
        "definition": text,
        "description": description,
        "hide": hide,
        "includeAll": many,
        "label": label,
        "multi": many,
        "name": name,
        "options": [],
        "query": {"qryType": kind, "query": text, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "regex": regex,
        "skipUrlSync": False,
        "sort": 5,
        "type": "query",
    }


def _variables(*, one_source=False, hide_source=False):
    known = f"huaweicloud_sms_source_state_code{{{ACCOUNT}}}"
    servers = f"query_result(max by (source_id, source_name) ({known}))"
    return [
        {
            "current": {},
            "description": "The Prometheus that scrapes the exporter.",
            "hide": 0,
            "includeAll": False,
            "label": "Data source",
            "multi": False,
            "name": "datasource",
            "options": [],
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "skipUrlSync": False,
            "type": "datasource",
        },
        _query_variable(
            "job",
            "Job",
            "The scrape job of the exporter.",
            # All names each job of an exporter: `up` and the process' metrics are every job's.
            "label_values(sms_exporter_build_info, job)",
            kind=1,
        ),
        _query_variable(
            "account",
            "Account",
            "The account, as the exporter's configuration names it.",
            'label_values(huaweicloud_sms_sources{job=~"$job"}, account)',
            everything=".*",
            kind=1,
        ),
        _query_variable(
            "source_id",
            "Server",
            "The source server, by its name.",
            servers,
            regex='/source_id="(?<value>[^"]+)",source_name="(?<text>.*)"} /',
            many=not one_source,
            everything=None if one_source else ".*",
            hide=2 if hide_source else 0,
            kind=3,
        ),
    ]


def _link():
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }


def _annotation(name, colour, expression, title, tags, *, at_value=False):
    """A mark across all graphs, for as long as the expression gives something or at the time that it gives."""
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": expression,
        "hide": False,
        "iconColor": colour,
        "name": name,
        "step": "30s",
        "tagKeys": tags,
        "textFormat": "",
        "titleFormat": title,
        "useValueForTime": at_value,
    }


def _annotations(*, one_source):
    """Outages, restarts and alerts: the pages, or all alerts of the one server."""
    alerts = 'alertstate="firing",alertname=~"HuaweiSms.*",account=~"$account|",'
    alerts += 'source_id=~"$source_id"' if one_source else 'severity="critical"'
    stale = f"max by (account, collector) ({fresh.ages()} > on (account) group_left () {fresh.limit()})"
    started = f"max by (instance) ({process('process_start_time_seconds')}) * 1000"
    return [
        _annotation("Outages", "orange", stale, "No fresh {{collector}} of {{account}}", "account,collector"),
        _annotation("Restarts", "blue", started, "Exporter {{instance}} started", "instance", at_value=True),
        _annotation(
            "Alerts",
            "red",
            f"max by (alertname, severity, account, source_name) (ALERTS{{{alerts}}})",
            "{{alertname}} {{source_name}}",
            "severity,account",
        ),
    ]


def dashboard(name, title, description, grid, *, since, one_source=False, hide_source=False):
    """The JSON of a dashboard."""
    return {
        "annotations": {"list": _annotations(one_source=one_source)},
        "description": description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [_link()],
        "liveNow": False,
        "panels": grid.panels,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": [TAG],
        "templating": {"list": _variables(one_source=one_source, hide_source=hide_source)},
        "time": {"from": f"now-{since}", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": title,
        "uid": f"huaweicloud-sms-{name}",
        "version": 1,
        "weekStart": "",
    }
