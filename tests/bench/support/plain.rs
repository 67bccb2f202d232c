//! The plain way: every field of every object into owned structs, prometheus-client's encoder, gzip at level 6.

use std::io::Write;
use std::sync::atomic::AtomicU64;

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::Value;

macro_rules! wire {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub(crate) struct $name { $($field: Option<$type>),* }
    };
}

wire!(Page {
    count: u64,
    source_servers: Vec<Source>,
    tasks: Vec<Task>,
    migration_errors: Vec<Value>
});

wire!(Source {
    id: String, ip: String, name: String, hostname: String, add_date: i64, os_type: String,
    os_version: String, oem_system: bool, state: String, connected: bool, cpu_quantity: Value,
    memory: Value, current_task: CurrentTask, checks: Vec<Check>, init_target_server: Target,
    replicatesize: Value, totalsize: Value, stage_action_time: i64, state_action_time: i64,
    last_visit_time: i64, migration_cycle: String, is_consistency_result_exist: bool,
    enterprise_project_id: Value, has_tc: bool, start_type: String, firmware: String,
    agent_version: String,
});

wire!(Check {
    id: i64,
    params: Vec<String>,
    name: String,
    result: String,
    error_code: String,
    error_params: String,
    error_or_warn: Value,
});

wire!(Target { disks: Vec<Disk>, volume_groups: Vec<Value> });

wire!(Disk {
    name: String, relation_name: String, partition_style: String, size: i64, used_size: i64,
    device_use: String, os_disk: bool, physical_volumes: Vec<Volume>,
});

wire!(Volume {
    uuid: String,
    index: i64,
    name: String,
    device_use: String,
    file_system: String,
    mount_point: String,
    size: i64,
    used_size: i64,
    inode_size: String,
});

wire!(CurrentTask {
    id: String,
    name: String,
    r#type: String,
    state: String,
    estimate_complete_time: i64,
    start_date: i64,
    speed_limit: f64,
    migrate_speed: f64,
    compress_rate: f64,
    start_target_server: bool,
    vm_template_id: String,
    region_id: String,
    project_name: String,
    project_id: String,
    target_server: Server,
    log_collect_status: String,
    exist_server: bool,
    use_public_ip: bool,
    clone_server: Value,
    remain_seconds: f64,
    log_bucket: String,
    log_share_url: String,
    subtask_info: String,
});

wire!(Server {
    id: String,
    vm_id: String,
    ip: String,
    name: String,
    os_type: String,
    os_version: String,
    oem_system: bool,
    state: String,
    migration_cycle: String,
});

wire!(Task {
    id: String, name: String, r#type: String, os_type: String, state: String,
    estimate_complete_time: f64, create_date: i64, priority: i64, speed_limit: f64,
    migrate_speed: f64, compress_rate: f64, start_target_server: bool, error_json: String,
    total_time: f64, migration_ip: String, sub_tasks: Vec<SubTask>, clone_server: Value,
    network_check_info: Network, source_server: Server, target_server: Server,
    log_collect_status: String, syncing: bool, special_config: Vec<Value>,
    total_cpu_usage: f64, agent_cpu_usage: f64, total_mem_usage: f64, agent_mem_usage: f64,
    total_disk_io: f64, agent_disk_io: f64, need_migration_test: bool, subtask_info: String,
    enterprise_project_id: Value,
});

wire!(SubTask {
    id: Value,
    name: String,
    progress: f64,
    start_date: i64,
    end_date: i64,
    migrate_speed: f64,
    user_op: String,
    process_trace: String,
});

wire!(Network {
    domain_connectivity: bool,
    destination_connectivity: bool,
    network_delay: Value,
    network_jitter: Value,
    migration_speed: Value,
    loss_percentage: Value,
    cpu_usage: Value,
    mem_usage: Value,
    evaluation_result: String,
});

/// Decodes pages.
pub(crate) fn decode(bodies: &[impl AsRef<[u8]>]) -> Vec<Page> {
    let page = |body: &[u8]| serde_json::from_slice(body).expect("the simulator's pages fit the structs");
    bodies.iter().map(|body| page(body.as_ref())).collect()
}

/// The series of one family, as the exporter shows them.
#[derive(Debug)]
pub(crate) struct Series {
    name: String,
    samples: Vec<(Labels, f64)>,
}

/// Names and values of a sample's labels.
type Labels = Vec<(String, String)>;

/// A family of gauges whose labels are known when it runs.
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// Reads a page of text 0.0.4 back, so that the plain way shows exactly what the exporter shows.
pub(crate) fn series(page: &str) -> Vec<Series> {
    let mut families: Vec<Series> = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("huaweicloud_sms_")) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = series.split_once('{').expect("every series of the fleet has labels");
        if families.last().is_none_or(|family| family.name != name) {
            families.push(Series { name: name.to_owned(), samples: Vec::new() });
        }
        let labels = labels.strip_suffix('}').map(labels_of).expect("labels end in a brace");
        let family = families.last_mut().expect("pushed above");
        family.samples.push((labels, value.parse().expect("a number")));
    }
    families
}

/// No value of the benchmark's lists has a quote in it.
fn labels_of(text: &str) -> Labels {
    let pairs = text.strip_suffix('"').unwrap_or(text).split("\",");
    let pair = |pair: &str| {
        let (name, value) = pair.split_once("=\"").expect("a name and a value");
        (name.to_owned(), value.to_owned())
    };
    pairs.map(pair).collect()
}

/// Fills prometheus-client's families, with a copy of the labels for each series.
pub(crate) fn registry(series: &[Series]) -> Registry {
    let mut registry = Registry::default();
    for Series { name, samples } in series {
        let gauges = Gauges::default();
        for (labels, value) in samples {
            gauges.get_or_create(labels).set(*value);
        }
        registry.register(name.as_str(), "Help", gauges);
    }
    registry
}

/// Renders what was registered, as an exporter does that renders when it is scraped.
pub(crate) fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("a String takes everything");
    text
}

/// A renderer as one writes it in an hour: `format!`, and `replace` for escapes.
pub(crate) fn render(series: &[Series]) -> String {
    let mut text = String::new();
    for Series { name, samples } in series {
        text += &format!("# HELP {name} Help.\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            let escape = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let labels = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value)));
            text += &format!("{name}{{{}}} {value}\n", labels.collect::<Vec<_>>().join(","));
        }
    }
    text
}

/// Deflates as most servers do.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(text.as_bytes()).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}
