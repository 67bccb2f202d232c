//! What the rules and the dashboards name, held against what the exporter serves.
//!
//! Metrics, labels and the values of matchers are read from the syntax tree of every query.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use huaweicloud_sms_exporter::api::{ApiError, Refusal};
use huaweicloud_sms_exporter::metrics::{Subject, all};
use huaweicloud_sms_exporter::model::{CheckResult, Collector, SourceState, TaskState};
use promql_parser::label::Matcher;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector, parse,
};
use serde::Deserialize;
use serde_json::Value;

use crate::catalogue;

/// Values by label by metric.
type Served = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// A rule; one of the two names is there.
#[derive(Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What there is to be named, and what was named in vain.
struct Names {
    served: Served,
    wrong: BTreeSet<String>,
}

fn rules() -> Vec<Rule> {
    let text = include_str!("../../alerts/huaweicloud-sms.rules.yml");
    let rules: Rules = serde_saphyr::from_str(text).expect("the rules are YAML");
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn set<'a>(values: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    values.into_iter().map(str::to_owned).collect()
}

impl Names {
    /// What the exporter serves, what Prometheus adds, and what the rules record.
    async fn new() -> Self {
        let mut names = Self { served: Served::new(), wrong: BTreeSet::new() };
        for series in catalogue::every_series().await {
            let labels = names.metric(catalogue::family(&series));
            for (label, value) in catalogue::labels(&series) {
                labels.entry(label).or_default().insert(value);
            }
        }
        names.add_what_circumstances_serve();
        names.add_closed_sets();
        // What Prometheus says of a target.
        names.metric("up");
        names.metric("scrape_duration_seconds");
        // What an operator sets.
        names.metric("huaweicloud_sms:deadline:timestamp_seconds").entry("account".into()).or_default();
        for labels in names.served.values_mut() {
            labels.entry("job".into()).or_default().insert("sms-exporter".into());
            labels.entry("instance".into()).or_default();
        }
        names.add_what_rules_make();
        names
    }

    fn metric(&mut self, name: &str) -> &mut BTreeMap<String, BTreeSet<String>> {
        self.served.entry(name.to_owned()).or_default()
    }

    /// Families of the exporter itself that need, say, a failure or temporary credentials.
    fn add_what_circumstances_serve(&mut self) {
        for entry in all().iter().filter(|entry| entry.subject == Subject::Exporter) {
            let histogram = format!("{}_count", entry.desc.name);
            if !self.served.contains_key(&histogram) {
                let labels = entry.labels.iter().chain(entry.further);
                let labels: Vec<String> = labels.map(|label| (*label).to_owned()).collect();
                let metric = self.metric(entry.desc.name);
                for label in labels {
                    metric.entry(label).or_default();
                }
            }
        }
    }

    /// Values that need not be on the page now.
    fn add_closed_sets(&mut self) {
        let sources = set(SourceState::ALL.iter().map(|state| state.label()));
        let tasks = set(TaskState::ALL.iter().map(|state| state.label()));
        let results = set(CheckResult::ALL.iter().map(|result| result.label()));
        let collectors = set(Collector::ALL.iter().map(|collector| collector.label()));
        let statuses: BTreeSet<String> = (200..600).map(|status: u16| status.to_string()).collect();
        let reasons: BTreeSet<String> =
            (400..600).filter_map(|status| StatusCode::from_u16(status).ok()).map(reason).collect();
        for (name, labels) in &mut self.served {
            for (label, values) in labels {
                match label.as_str() {
                    "state" if name.contains("_task") => values.extend(tasks.clone()),
                    "state" => values.extend(sources.clone()),
                    "result" if name.contains("check") => values.extend(results.clone()),
                    "collector" => values.extend(collectors.clone()),
                    "code" if name.contains("requests") => values.extend(statuses.clone()),
                    "reason" if name.contains("failures") => values.extend(reasons.clone()),
                    _ => {}
                }
            }
        }
    }

    /// Recorded metrics, with the labels that their expressions can have, and the alerts.
    fn add_what_rules_make(&mut self) {
        let rules = rules();
        for rule in &rules {
            let Some(name) = &rule.record else { continue };
            let expr = parse(&rule.expr).unwrap_or_else(|error| panic!("{name}: {error}"));
            let labels = self.labels(&expr);
            let recorded = self.metric(name);
            for (label, values) in labels {
                recorded.entry(label).or_default().extend(values);
            }
            for (label, value) in &rule.labels {
                recorded.entry(label.clone()).or_default().insert(value.clone());
            }
        }
        let mut made = BTreeMap::from([("alertstate".to_owned(), set(["pending", "firing"]))]);
        for rule in &rules {
            let Some(name) = &rule.alert else { continue };
            made.entry("alertname".to_owned()).or_default().insert(name.clone());
            let expr = parse(&rule.expr).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (label, values) in self.labels(&expr) {
                made.entry(label).or_default().extend(values);
            }
            for (label, value) in &rule.labels {
                made.entry(label.clone()).or_default().insert(value.clone());
            }
        }
        self.metric("ALERTS_FOR_STATE").extend(made.clone());
        self.metric("ALERTS").extend(made);
    }

    /// The labels that the series of an expression may have; more than it has after an aggregation.
    fn labels(&self, expr: &Expr) -> BTreeMap<String, BTreeSet<String>> {
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if let Expr::VectorSelector(selector) = expr {
            return self.served.get(&name(selector)).cloned().unwrap_or_default();
        }
        if let Expr::MatrixSelector(selector) = expr {
            return self.served.get(&name(&selector.vs)).cloned().unwrap_or_default();
        }
        if let Expr::Call(Call { func, args }) = expr
            && let ("label_replace" | "label_join", Some(Expr::StringLiteral(made))) =
                (func.name, args.args.get(1).map(|argument| &**argument))
        {
            labels.entry(made.val.clone()).or_default();
        }
        let kept = kept(expr);
        for (label, values) in children(expr).into_iter().flat_map(|child| self.labels(child)) {
            if kept.as_ref().is_none_or(|kept| kept.contains(&label)) {
                labels.entry(label).or_default().extend(values);
            }
        }
        labels
    }

    /// Notes whatever an expression names that is not there.
    fn check(&mut self, place: &str, expr: &Expr) {
        match expr {
            Expr::VectorSelector(selector) => self.check_selector(place, selector),
            Expr::MatrixSelector(selector) => self.check_selector(place, &selector.vs),
            Expr::Aggregate(AggregateExpr { expr, modifier: Some(modifier), .. }) => {
                self.check_labels(place, &modifier.labels().labels, expr);
            }
            Expr::Binary(binary) => self.check_matching(place, binary),
            Expr::Aggregate(_)
            | Expr::Unary(_)
            | Expr::Paren(_)
            | Expr::Subquery(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::Call(_)
            | Expr::Extension(_) => {}
        }
        for child in children(expr) {
            self.check(place, child);
        }
    }

    fn check_labels(&mut self, place: &str, named: &[String], expr: &Expr) {
        let labels = self.labels(expr);
        for label in named.iter().filter(|label| !labels.contains_key(*label)) {
            self.wrong.insert(format!("{place}: nothing has the label {label} in {expr}"));
        }
    }

    fn check_matching(&mut self, place: &str, binary: &BinaryExpr) {
        let Some(modifier) = &binary.modifier else { return };
        if let Some(LabelModifier::Include(on)) = &modifier.matching {
            self.check_labels(place, &on.labels, &binary.lhs);
            self.check_labels(place, &on.labels, &binary.rhs);
        }
        match &modifier.card {
            VectorMatchCardinality::ManyToOne(taken) => {
                self.check_labels(place, &taken.labels, &binary.rhs);
            }
            VectorMatchCardinality::OneToMany(taken) => {
                self.check_labels(place, &taken.labels, &binary.lhs);
            }
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {}
        }
    }

    fn check_selector(&mut self, place: &str, selector: &VectorSelector) {
        let name = name(selector);
        let Some(labels) = self.served.get(&name) else {
            self.wrong.insert(format!("{place}: there is no metric {name}"));
            return;
        };
        for matcher in selector.matchers.matchers.iter().filter(|matcher| matcher.name != "__name__") {
            let Some(values) = labels.get(&matcher.name) else {
                self.wrong.insert(format!("{place}: {name} has no label {}", matcher.name));
                continue;
            };
            for value in alternatives(matcher) {
                if !values.iter().any(|known| fits(value, known)) {
                    self.wrong.insert(format!("{place}: {name} has no {}={value:?}", matcher.name));
                }
            }
        }
    }

    /// Parses a query and notes what is wrong with it.
    fn check_text(&mut self, place: &str, text: &str) {
        let expr = parse(text).unwrap_or_else(|error| panic!("{place}: {error}: {text}"));
        self.check(place, &expr);
    }
}

/// The reason of a poll that failed because the service refused a request with this status.
fn reason(status: StatusCode) -> String {
    let refusal = Refusal { status, code: None, message: String::new(), request_id: None };
    ApiError::Refused(refusal).reason().to_owned()
}

/// The metric of a selector.
fn name(selector: &VectorSelector) -> String {
    selector.name.clone().expect("every query names its metrics outside the braces")
}

/// The labels that an aggregation keeps; `None` where it may be any.
fn kept(expr: &Expr) -> Option<BTreeSet<String>> {
    match expr {
        Expr::Aggregate(AggregateExpr { modifier: Some(LabelModifier::Include(labels)), .. }) => {
            Some(labels.labels.iter().cloned().collect())
        }
        Expr::Aggregate(aggregate)
            if aggregate.modifier.is_none() && !aggregate.op.to_string().ends_with('k') =>
        {
            Some(BTreeSet::new())
        }
        Expr::Aggregate(_)
        | Expr::Unary(_)
        | Expr::Binary(_)
        | Expr::Paren(_)
        | Expr::Subquery(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Call(_)
        | Expr::Extension(_) => None,
    }
}

/// The expressions that an expression is made of.
fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => vec![&aggregate.expr],
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(|argument| &**argument).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

/// The values that a matcher names; what a variable is filled in with names none.
fn alternatives(matcher: &Matcher) -> impl Iterator<Item = &str> {
    matcher.value.split('|').filter(|value| !value.is_empty() && *value != ANY)
}

/// Whether a value is what an alternative means, in which `.` is any character and a last `.*` anything.
fn fits(alternative: &str, value: &str) -> bool {
    if let Some(start) = alternative.strip_suffix(".*") {
        return value.starts_with(start);
    }
    let same = |(wanted, is)| wanted == '.' || wanted == is;
    alternative.chars().count() == value.chars().count() && alternative.chars().zip(value.chars()).all(same)
}

/// What every variable is filled in with.
const ANY: &str = ".+";

/// A query with Grafana's variables filled in.
fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, value) in [
        ("$__rate_interval", "2m"),
        ("$__interval", "30s"),
        ("$__range", "15m"),
        ("$job", ANY),
        ("$account", ANY),
        ("$source_id", ANY),
    ] {
        text = text.replace(name, value);
    }
    text
}

/// The queries that a text makes when an alert is told, with what they are filled in with.
fn queries(text: &str) -> Vec<String> {
    // A quote inside a query is escaped; everything between two that are not is a string of the template.
    let text = text.replace("\\\"", "'");
    let strings = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let strings: Vec<&str> = strings.flat_map(|action| action.split('"').skip(1).step_by(2)).collect();
    let queries = strings.into_iter().filter(|text| {
        text.contains("huaweicloud_sms_")
            || text.contains("huaweicloud_sms:")
            || text.contains("sms_exporter_")
    });
    queries.map(|query| query.replace("=%q", "=~'.+'").replace("{%s}", "").replace("%[1]s", "")).collect()
}

/// Every dashboard with its name.
fn dashboards() -> Vec<(&'static str, Value)> {
    let files = [
        ("exporter", include_str!("../../dashboards/exporter.json")),
        ("fleet", include_str!("../../dashboards/fleet.json")),
        ("source", include_str!("../../dashboards/source.json")),
        ("throughput", include_str!("../../dashboards/throughput.json")),
    ];
    files.map(|(name, text)| (name, serde_json::from_str(text).expect("a dashboard is JSON"))).into()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The query of a variable, with the label that it asks for of `label_values(query, label)`.
fn variable_query(text: &str) -> (&str, Option<&str>) {
    let inside = |function: &str| text.strip_prefix(function)?.strip_suffix(')');
    if let Some(query) = inside("query_result(") {
        return (query, None);
    }
    let inside = inside("label_values(").expect("a variable asks by one of two functions");
    let (query, label) = inside.rsplit_once(", ").expect("label_values has two arguments");
    (query, Some(label))
}

#[tokio::test]
async fn rules_name_only_what_is_served() {
    let mut names = Names::new().await;
    let rules = rules();
    let mut told = 0;
    assert!(rules.len() > 40, "{} rules", rules.len());
    for rule in &rules {
        let place = rule.alert.as_ref().or(rule.record.as_ref()).expect("a rule has a name");
        names.check_text(place, &rule.expr);
        for query in rule.annotations.values().flat_map(|text| queries(text)) {
            names.check_text(place, &query);
            told += 1;
        }
    }
    assert!(told > 10, "{told} queries in texts");
    assert_eq!(names.wrong, BTreeSet::new());
}

#[tokio::test]
async fn dashboards_name_only_what_is_served() {
    let mut names = Names::new().await;
    let mut queries = 0;
    for (name, dashboard) in dashboards() {
        for panel in list(&dashboard["panels"]) {
            for target in list(&panel["targets"]) {
                let text = target["expr"].as_str().expect("a target has a query");
                names.check_text(&format!("{name} {} {}", panel["title"], target["refId"]), &filled(text));
                queries += 1;
            }
        }
        for variable in list(&dashboard["templating"]["list"]) {
            let Some(text) = variable["query"]["query"].as_str() else { continue };
            let place = format!("{name} {}", variable["name"]);
            let text = filled(text);
            let (query, label) = variable_query(&text);
            names.check_text(&place, query);
            let expr = parse(query).expect("it was parsed before");
            names.check_labels(&place, &label.map(str::to_owned).into_iter().collect::<Vec<_>>(), &expr);
            queries += 1;
        }
    }
    assert!(queries > 100, "{queries} queries");
    assert_eq!(names.wrong, BTreeSet::new());
}

#[tokio::test]
async fn names_that_are_not_served_are_found() {
    let mut names = Names::new().await;
    for text in [
        "huaweicloud_sms_source_stat",
        "huaweicloud_sms_source_state{stat=\"error\"}",
        "huaweicloud_sms_source_state{state=~\"error|eror\"}",
        "rate(huaweicloud_sms_source_state{state!=\"eror\"}[5m])",
        "sum by (task_id) (huaweicloud_sms_source_state)",
        "sum by (task_id) (max by (account) (huaweicloud_sms_task_state))",
        "huaweicloud_sms_source_state * on (task_id) huaweicloud_sms_task_state",
        "huaweicloud_sms_task_state * on (source_id) group_left (task_id) huaweicloud_sms_source_state",
        "absent(up{job=\"sms-exporte\"})",
        "sum(rate(sms_exporter_api_requests_total{code=~\"7..\"}[5m]))",
        "ALERTS{alertname=\"HuaweiSmsSourceEror\"}",
    ] {
        names.wrong.clear();
        names.check_text("a query", text);
        assert_eq!(names.wrong.len(), 1, "{text}: {:?}", names.wrong);
    }
}
