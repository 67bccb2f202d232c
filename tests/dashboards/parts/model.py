"""Grafana's dashboard JSON, written by functions that know the house rules.

Only what the rules ask for can be left out by mistake, so title, description, unit or mappings and
queries are arguments without defaults.
"""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
PLUGIN_VERSION = "10.4.0"
# The exporter polls every 30 s: rates over less than four polls would be noise.
MIN_STEP = "30s"
COLUMNS = 24
# What is not known.
GREY = "#6e6e6e"


def query(ref, expr, legend="", *, instant=False, table=False):
    """One query of a panel."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "format": "table" if table else "time_series",
        "instant": instant or table,
        "interval": MIN_STEP,
        "legendFormat": legend or "__auto",
        "range": not (instant or table),
        "refId": ref,
    }


def rows(ref, expr):
    """A query for a table: its value now, one row per series."""
    return query(ref, expr, table=True)


def known(*others):
    """Thresholds that leave what is not known grey."""
    return steps(GREY, *others)


def steps(base, *others):
    """Thresholds: a colour, then (value, colour) pairs from which other colours hold."""
    first = [{"color": base, "value": None}]
    return {"mode": "absolute", "steps": first + [{"color": c, "value": v} for v, c in others]}


def override(matcher, value, **properties):
    """Properties for some of a panel's fields; `__` in a name stands for a dot."""
    return {
        "matcher": {"id": matcher, "options": value},
        "properties": [{"id": k.replace("__", "."), "value": v} for k, v in properties.items()],
    }


def named(name, **properties):
    """Properties for the field of this name."""
    return override("byName", name, **properties)


def coloured(name, colour):
    """A fixed colour for the field of this name."""
    return named(name, color={"fixedColor": colour, "mode": "fixed"})


def dashed(name, colour):
    """A dashed line for a bound that the other lines are compared with."""
    line = {"dash": [10, 8], "fill": "dash"}
    return named(name, color={"fixedColor": colour, "mode": "fixed"}, custom__lineStyle=line, custom__fillOpacity=0)


def panel(kind, title, description, queries, *, defaults, options, overrides=(), **more):
    """A panel without its place."""
    return {
        "datasource": DATASOURCE,
        "description": description,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "pluginVersion": PLUGIN_VERSION,
        "targets": queries,
        "title": title,
        "type": kind,
        **more,
    }


def field(unit=None, mappings=None, thresholds=None, colour=None, custom=None, **more):
    """The defaults of a panel's fields."""
    defaults = {
        "color": {"mode": colour or ("thresholds" if thresholds else "palette-classic")},
        "mappings": mappings or [],
        "thresholds": thresholds or steps("green"),
        **more,
    }
    if unit:
        defaults["unit"] = unit
    if custom is not None:
        defaults["custom"] = custom
    return defaults


def stat(
    title,
    description,
    queries,
    unit=None,
    *,
    mappings=None,
    thresholds=None,
    graph=False,
    background=False,
    none="-",
    overrides=(),
    text="auto",
    decimals=None,
):
    """A big number; `none` is what stands there when nothing is to be said, and the first colour of `thresholds` its colour.

    Without a graph behind it the value now is enough, which is what keeps large fleets cheap. With one, the last point is
    the number, also when that is a gap.
    """
    if not graph:
        queries = [{**target, "instant": True, "range": False} for target in queries]
    more = {} if decimals is None else {"decimals": decimals}
    if graph:
        # From zero on, so that one server more or less does not look like a landslide.
        more["min"] = 0
        # A gap arrives as a value that is no number, for which Grafana does not take `noValue`.
        gap = {"color": GREY, "index": 0, "text": none}
        mappings = [*(mappings or []), {"options": {"match": "null+nan", "result": gap}, "type": "special"}]
    defaults = field(unit, mappings, thresholds or steps("text"), noValue=none, **more)
    options = {
        "colorMode": "background" if background else "value",
        "graphMode": "area" if graph else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["last" if graph else "lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": text,
        "wideLayout": True,
    }
    points = {"maxDataPoints": 100} if graph else {}
    return panel(
        "stat", title, description, queries, defaults=defaults, options=options, overrides=overrides, **points
    )


def series(
    title,
    description,
    queries,
    unit,
    *,
    stacked=False,
    overrides=(),
    legend="list",
    calcs=("lastNotNull",),
    thresholds=None,
    bars=False,
    none="No data",
    **bounds
):
    """Lines over time. Gaps stay gaps: a line drawn over missing data would be a guess."""
    by_label = any("{{" in target["legendFormat"] for target in queries)
    custom = {
        "axisBorderShow": False,
        "axisLabel": "",
        "axisPlacement": "auto",
        **({"axisSoftMax": 1} if bars or unit == "none" else {}),
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if stacked else 90 if bars else 0 if by_label else 8,
        "gradientMode": "none",
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "lineInterpolation": "stepAfter" if stacked else "linear",
        "lineWidth": 1,
        "pointSize": 4,
        "scaleDistribution": {"type": "linear"},
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked or bars else "none"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
    }
    defaults = field(unit, None, thresholds, "palette-classic", custom, noValue=none, **{"min": 0, **bounds})
    options = {
        "legend": {
            "calcs": list(calcs) if legend == "table" else [],
            "displayMode": legend,
            "placement": "right" if legend == "table" else "bottom",
            "showLegend": True,
        },
        "tooltip": {"maxHeight": 600, "mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, defaults=defaults, options=options, overrides=overrides)


def timeline(title, description, queries, *, mappings, overrides=(), none="No data"):
    """States over time, one lane per series."""
    custom = {
        "fillOpacity": 80,
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "insertNulls": False,
        "lineWidth": 0,
        "spanNulls": False,
    }
    defaults = field(None, mappings, steps("text"), "thresholds", custom, noValue=none)
    options = {
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel(
        "state-timeline", title, description, queries, defaults=defaults, options=options, overrides=overrides
    )


def table(title, description, queries, columns, *, unit="none", hidden=(), sort=(), overrides=(), none):
    """Rows of the labels and values of instant queries, joined on the labels that they share.

    `columns` maps the name of a label or value to its heading, in the order of the columns; `hidden`
    columns stay for links to use; whatever else the queries return is left out.
    """
    names = list(columns) + list(hidden)
    organize = {
        "includeByName": {},
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": dict(columns),
    }
    keep = {"include": {"names": names}}
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": keep},
        {"id": "organize", "options": organize},
    ]
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False}
    options = {
        "cellHeight": "sm",
        "frameIndex": 0,
        "showHeader": True,
        "sortBy": [{"desc": desc, "displayName": name} for name, desc in sort],
    }
    # The table's own `noValue` is what an empty table says; in a cell it would be out of place.
    cells = [override("byType", kind, noValue="-") for kind in ("number", "string")]
    # Grafana 10 and 11 read the first, 12 and later the second.
    hide = [
        named(name, custom__hidden=True, custom__hideFrom={"legend": False, "tooltip": False, "viz": True})
        for name in hidden
    ]
    return panel(
        "table",
        title,
        description,
        queries,
        defaults=field(unit, None, steps("text"), "thresholds", custom, noValue=none),
        options=options,
        overrides=[*cells, *overrides, *hide],
        transformations=transformations,
    )


def gauge_cell(maximum=1):
    """The properties that draw a column of a table as bars; without a maximum the longest is the largest."""
    bounds = {"min": 0} if maximum is None else {"min": 0, "max": maximum}
    return {"custom__cellOptions": {"mode": "basic", "type": "gauge", "valueDisplayMode": "text"}, **bounds}


def coloured_cell(mappings):
    """The properties that show a column of a table as coloured words."""
    return {
        "mappings": mappings,
        "custom__align": "left",
        "custom__cellOptions": {"mode": "basic", "type": "color-background"},
    }


RUNBOOKS = "https://github.com/sms-exporter/sms-exporter/blob/main/alerts/runbooks"
# Beside the link to the server: what an alert means and what to do, and the fleet that the server belongs to.
RUNBOOK_LINK = [
    {
        "targetBlank": True,
        "title": "Open the runbook",
        "url": f"{RUNBOOKS}/${{__data.fields.alertname}}.md",
    }
]
FLEET_LINK = [
    {
        "targetBlank": False,
        "title": "Open the fleet",
        "url": "/d/huaweicloud-sms-fleet?${datasource:queryparam}&${job:queryparam}"
        "&var-account=${__data.fields.account:percentencode}&${__url_time_range}",
    }
]
SOURCE_LINK = [
    {
        "targetBlank": False,
        "title": "Open this server",
        "url": "/d/huaweicloud-sms-source?${datasource:queryparam}&${job:queryparam}"
        "&var-account=${__data.fields.account:percentencode}&var-source_id=${__data.fields.source_id:percentencode}&${__url_time_range}",
    }
]
