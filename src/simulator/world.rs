//! What the pretended service knows: plain values in the API's units, which tests may read and change.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

/// A string that is mostly one of the documents' words.
pub type Text = Cow<'static, str>;

/// Everything the service would answer from, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The simulated time in milliseconds since 1970.
    pub now_ms: i64,
    /// The region's id, and the name of its project.
    pub region: String,
    /// The id of that project.
    pub project_id: String,
    /// Source servers by id, in the order in which they are listed.
    pub sources: BTreeMap<String, Source>,
    /// Migration tasks by id, in the order in which they are listed.
    pub tasks: BTreeMap<String, Task>,
    /// What `/v3/errors` lists, by source id.
    pub errors: BTreeMap<String, MigrationError>,
    /// Migration projects: id and name.
    pub migprojects: Vec<(String, String)>,
}

/// One source server, in the API's own units and spellings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// The how-manieth server this is, since the world began; decides which oddities its JSON has.
    pub ordinal: u64,
    /// Its id, a UUID unless a test says otherwise.
    pub id: String,
    /// IPv4 address.
    pub ip: String,
    /// The name in the service.
    pub name: String,
    /// The name that the server gives itself; missing in some answers.
    pub hostname: Option<String>,
    /// Enterprise project; `None` is a missing key, "0" is sent as a number by some.
    pub enterprise_project_id: Option<String>,
    /// Id of the migration project.
    pub migproject: String,
    /// Registration, milliseconds since 1970.
    pub add_date: i64,
    /// `WINDOWS` or `LINUX`.
    pub os_type: Text,
    /// Such as `CENTOS_7_6_64BIT`.
    pub os_version: Text,
    /// `BIOS` or `UEFI`.
    pub firmware: Text,
    /// Version of the agent.
    pub agent_version: Text,
    /// `state`, lower case.
    pub state: Text,
    /// Whether the agent is in contact.
    pub connected: bool,
    /// Number of CPUs.
    pub cpu_quantity: i64,
    /// Bytes.
    pub memory: i64,
    /// The environment checks.
    pub checks: Vec<Check>,
    /// The disks.
    pub disks: Vec<Disk>,
    /// Bytes copied in the current round.
    pub replicatesize: i64,
    /// Bytes to copy in the current round.
    pub totalsize: i64,
    /// When the stage changed, milliseconds.
    pub stage_action_time: Option<i64>,
    /// When the state changed, milliseconds.
    pub state_action_time: Option<i64>,
    /// When the agent's connection last changed, milliseconds.
    pub last_visit_time: Option<i64>,
    /// `checking`, `setting`, `replicating`, `syncing`, `cutovering` or `cutovered`.
    pub migration_cycle: Text,
    /// Whether a consistency result exists.
    pub is_consistency_result_exist: bool,
    /// Whether Linux' `tc` is installed; `None` is a missing key.
    pub has_tc: Option<bool>,
    /// Id of the current task.
    pub task: Option<String>,
    /// Set by a test: the world leaves this server as it is.
    pub pinned: bool,
    /// Set by a test: keys of its JSON that are replaced by these values.
    pub odd: BTreeMap<String, Value>,
}

/// One environment check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// A number.
    pub id: i64,
    /// Such as `OS_VERSION`.
    pub name: Text,
    /// `OK`, `WARN` or `ERROR`.
    pub result: Text,
    /// Such as `SMS.6504`.
    pub error_code: Option<Text>,
}

/// One disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk {
    /// `/dev/vda` or `Disk 0`.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Bytes.
    pub used_size: i64,
    /// `BOOT`, `OS`, `NORMAL` or `BOOT|OS`.
    pub device_use: Text,
    /// Name, mount point, size and used size in bytes.
    pub volumes: Vec<(String, String, i64, i64)>,
}

/// One migration task, in the API's own units and spellings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// The ordinal of its source.
    pub ordinal: u64,
    /// Its id.
    pub id: String,
    /// Its name, seldom unique.
    pub name: String,
    /// `MIGRATE_FILE` or `MIGRATE_BLOCK`.
    pub kind: Text,
    /// `state`, upper case.
    pub state: Text,
    /// When it should be done, milliseconds.
    pub estimate_complete_time: Option<i64>,
    /// What is left, seconds.
    pub remain_seconds: Option<i64>,
    /// Milliseconds.
    pub create_date: i64,
    /// Milliseconds.
    pub start_date: Option<i64>,
    /// Milliseconds.
    pub finish_date: Option<i64>,
    /// 0, 1 or 2.
    pub priority: i64,
    /// Mbit/s; 0 is unlimited.
    pub speed_limit: i64,
    /// Mbit/s.
    pub migrate_speed: f64,
    /// How many times smaller the data goes over the wire.
    pub compress_rate: f64,
    /// Code and parameters of what went wrong.
    pub error: Option<(Text, Vec<String>)>,
    /// Milliseconds that subtasks have run, all together.
    pub total_time: i64,
    /// The steps.
    pub sub_tasks: Vec<SubTask>,
    /// Id of its source.
    pub source_id: String,
    /// Enterprise project.
    pub enterprise_project_id: Option<String>,
    /// The server that it fills.
    pub target: Target,
    /// Whether it keeps in sync after the first copy.
    pub syncing: bool,
    /// Name of the clone made for a test of the migration.
    pub clone_server: Option<String>,
    /// What the check of the network found.
    pub network: Option<Network>,
    /// How busy the source is.
    pub usage: Usage,
    /// `/speed-limit`; empty is the error SMS.6302.
    pub rules: Vec<SpeedRule>,
    /// `/consistency-result`; none is a 404.
    pub consistency: Option<Consistency>,
    /// Set by a test: keys of its JSON that are replaced by these values.
    pub odd: BTreeMap<String, Value>,
}

/// One step of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubTask {
    /// A number.
    pub id: i64,
    /// Such as `MIGRATE_LINUX_FILE`.
    pub name: Text,
    /// Percent.
    pub progress: i64,
    /// Milliseconds.
    pub start_date: Option<i64>,
    /// Milliseconds.
    pub end_date: Option<i64>,
    /// Such as `REPLICATE`.
    pub user_op: Text,
}

/// The server that a task fills.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// The service's id for it.
    pub id: String,
    /// The id in ECS, "" before it is made.
    pub vm_id: String,
    /// Its name, "" before it is made.
    pub name: String,
    /// Its address; `None` is null.
    pub ip: Option<String>,
}

/// What the check of the network found, in the API's units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Whether the service's name resolves.
    pub domain_connectivity: bool,
    /// Whether the target answers.
    pub destination_connectivity: bool,
    /// Milliseconds.
    pub network_delay: f64,
    /// Milliseconds.
    pub network_jitter: f64,
    /// Mbit/s.
    pub migration_speed: f64,
    /// Percent.
    pub loss_percentage: f64,
    /// Percent.
    pub cpu_usage: f64,
    /// Percent.
    pub mem_usage: f64,
}

/// How busy the source and its agent are, in the API's units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Percent.
    pub total_cpu_usage: f64,
    /// Percent.
    pub agent_cpu_usage: f64,
    /// MB.
    pub total_mem_usage: f64,
    /// MB.
    pub agent_mem_usage: f64,
    /// Mbit/s by the newest documents.
    pub total_disk_io: f64,
    /// Mbit/s by the newest documents.
    pub agent_disk_io: f64,
}

/// One window of a speed limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeedRule {
    /// `HH:MM`, by the source's own clock (which is UTC here).
    pub start: Text,
    /// `HH:MM`.
    pub end: Text,
    /// Mbit/s; 0 is unlimited.
    pub speed: i64,
    /// Percent above the limit at which the service stops the task.
    pub over_speed_threshold: Option<f64>,
}

/// What comparing source and target found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consistency {
    /// Milliseconds.
    pub finished_time: i64,
    /// `success` or `failed`.
    pub check_result: Text,
    /// Directory, and the files: all, different, missing and extra on the target.
    pub directories: Vec<(String, [i64; 4])>,
}

/// One entry of `/v3/errors`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MigrationError {
    /// The error, JSON within a string.
    pub error_json: String,
    /// The server's own name, or null.
    pub host_name: Option<String>,
    /// The name in the service.
    pub name: String,
    /// Id of the source.
    pub source_id: String,
    /// Address of the source.
    pub source_ip: String,
    /// Address of the target, or null.
    pub target_ip: Option<String>,
}

impl World {
    /// `/v3/sources/overview`: the documents' fourteen keys without `skipping`, which their sample lacks.
    pub fn overview(&self) -> BTreeMap<&'static str, i64> {
        const KEYS: [&str; 13] = [
            "waiting",
            "replicate",
            "syncing",
            "stopped",
            "deleting",
            "cutovering",
            "unavailable",
            "stopping",
            "finished",
            "initialize",
            "error",
            "cloning",
            "unconfigured",
        ];
        let mut counts: BTreeMap<&'static str, i64> = KEYS.iter().map(|key| (*key, 0)).collect();
        for source in self.sources.values() {
            let key = if source.state == "waiting" && source.task.is_none() {
                "unconfigured"
            } else {
                &source.state
            };
            if let Some(count) = counts.get_mut(key) {
                *count += 1;
            }
        }
        counts
    }
}

impl Task {
    /// The limit in force at a moment, in Mbit/s, and the threshold in percent; `None` when unlimited.
    pub fn limit_at(&self, now_ms: i64) -> Option<(i64, Option<f64>)> {
        let minute = now_ms.div_euclid(60_000).rem_euclid(1440);
        let rule = self.rules.iter().find(|rule| rule.holds(minute));
        let limit = rule.map_or((self.speed_limit, None), |rule| (rule.speed, rule.over_speed_threshold));
        (limit.0 > 0).then_some(limit)
    }

    /// Whether it runs faster than the limit in force at a moment.
    pub fn is_over_limit_at(&self, now_ms: i64) -> bool {
        self.limit_at(now_ms).is_some_and(|(limit, _)| self.migrate_speed > super::random::real(limit))
    }
}

impl SpeedRule {
    /// Whether the window holds in this minute of the day; windows may pass midnight.
    fn holds(&self, minute: i64) -> bool {
        let (start, end) = (minutes(&self.start), minutes(&self.end));
        // "23:59" stands for the end of the day.
        let end = if end == 1439 { 1440 } else { end };
        if start <= end { (start..end).contains(&minute) } else { minute >= start || minute < end }
    }
}

fn minutes(time: &str) -> i64 {
    let (hours, minutes) = time.split_once(':').unwrap_or((time, "0"));
    hours.parse::<i64>().unwrap_or(0) * 60 + minutes.parse::<i64>().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn rule(start: &'static str, end: &'static str, speed: i64) -> SpeedRule {
        SpeedRule { start: start.into(), end: end.into(), speed, over_speed_threshold: Some(10.0) }
    }

    #[test]
    fn the_limit_is_that_of_the_window_that_holds_and_zero_is_none() {
        let rules = vec![rule("0:00", "8:00", 20), rule("8:00", "15:00", 0), rule("22:00", "24:00", 50)];
        let task = Task { speed_limit: 7, rules, ..Task::default() };
        let limits = [1, 8, 16, 23].map(|hour| task.limit_at(hour * HOUR).map(|(limit, _)| limit));
        assert_eq!(limits, [Some(20), None, Some(7), Some(50)]);
    }

    #[test]
    fn a_window_may_pass_midnight_and_2359_is_the_end_of_the_day() {
        let night = rule("22:00", "06:00", 1);
        assert_eq!(
            [21, 22, 23, 0, 5, 6].map(|h| night.holds(h * 60)),
            [false, true, true, true, true, false]
        );
        assert!(rule("00:00", "23:59", 1).holds(1439));
    }

    #[test]
    fn a_waiting_server_without_settings_is_unconfigured() {
        let mut world = World::default();
        for (id, task) in [("a", None), ("b", Some("t".to_owned()))] {
            let source = Source { state: "waiting".into(), task, ..Source::default() };
            world.sources.insert(id.to_owned(), source);
        }
        let overview = world.overview();
        assert_eq!((overview["waiting"], overview["unconfigured"], overview.len()), (1, 1, 13));
    }
}
