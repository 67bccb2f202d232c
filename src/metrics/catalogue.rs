//! Every family that the exporter can serve, described once.
//!
//! The page, the README's table, the landing page and the tests read this table. Names change only for a
//! reason that the changelog gives.

use std::collections::BTreeSet;

use crate::exposition::{Desc, Kind};
use crate::model::Collector;

/// Labels of a source's series.
const S: &[&str] = &["account", "source_id", "source_name"];
/// Labels of a task's series.
const T: &[&str] = &["account", "task_id", "source_id", "source_name"];
/// Labels of an account's series.
const A: &[&str] = &["account"];
/// Labels of a collector's series.
const AC: &[&str] = &["account", "collector"];

/// What a family speaks of; a chapter of the README's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Counts and sums of an account.
    Fleet,
    /// One source server.
    Source,
    /// One migration task.
    Task,
    /// What happened between two polls.
    Events,
    /// The exporter itself.
    Exporter,
}

impl Subject {
    /// Every member, in the order of the README.
    pub const ALL: [Self; 5] = [Self::Fleet, Self::Source, Self::Task, Self::Events, Self::Exporter];

    /// The heading in the README.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Source => "Source servers",
            Self::Task => "Tasks",
            Self::Events => "Events",
            Self::Exporter => "The exporter itself",
        }
    }
}

/// One family: its description, what its labels are, and where its value comes from.
#[derive(Debug)]
pub struct Entry {
    /// Name, help, unit and type.
    pub desc: Desc,
    /// What it speaks of.
    pub subject: Subject,
    /// Labels that every series of its subject has.
    pub labels: &'static [&'static str],
    /// Further labels.
    pub further: &'static [&'static str],
    /// The API field or the place that the value comes from.
    pub from: &'static str,
}

impl Entry {
    /// The collector whose data the family shows; `None` for what no single collector makes.
    #[must_use]
    pub fn collector(&self) -> Option<Collector> {
        let name = self.desc.name.strip_prefix("huaweicloud_sms_")?;
        let exceptions = [
            ("overview_sources", Collector::Overview),
            ("migration_errors", Collector::Errors),
            ("source_error_info", Collector::Errors),
            ("task_overspeed_threshold_ratio", Collector::SpeedLimits),
            ("task_speed_limit_bytes_per_second", Collector::SpeedLimits),
            ("task_consistency_files", Collector::Consistency),
            ("task_consistency_checked_timestamp_seconds", Collector::Consistency),
        ];
        let exception = exceptions.into_iter().find(|(exception, _)| *exception == name);
        let of_tasks = name.starts_with("task") || name.starts_with("overspeed");
        let usual = if of_tasks { Collector::Tasks } else { Collector::Sources };
        Some(exception.map_or(usual, |(_, collector)| collector))
    }
}

macro_rules! catalogue {
    ($($subject:ident { $($family:ident $kind:ident $name:literal $unit:tt $labels:ident [$($further:literal),*] $help:literal $from:literal;)+ })+) => {
        /// A family, as an index of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Family { $($(#[doc = $help] $family,)+)+ }

        static TABLE: &[Entry] = &[$($(Entry {
            desc: Desc { name: $name, help: $help, unit: catalogue!(@unit $unit), kind: Kind::$kind },
            subject: Subject::$subject,
            labels: $labels,
            further: &[$($further),*],
            from: $from,
        },)+)+];
    };
    (@unit _) => { None };
    (@unit $unit:literal) => { Some($unit) };
}

impl Family {
    /// The family's entry.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// The family's description.
    #[must_use]
    pub fn desc(self) -> &'static Desc {
        &self.entry().desc
    }
}

/// Every family, in the order of the page.
#[must_use]
pub fn all() -> &'static [Entry] {
    TABLE
}

/// Labels that are not of the table: a histogram's and a summary's own, and those that Prometheus gives a target.
const FOREIGN: [&str; 4] = ["le", "quantile", "job", "instance"];

/// Every label that a series may have without its owner's doing.
#[must_use]
pub fn label_names() -> BTreeSet<&'static str> {
    let own = all().iter().flat_map(|entry| entry.labels.iter().chain(entry.further));
    own.copied().chain(FOREIGN).collect()
}

catalogue! {
    Fleet {
        Sources Gauge "huaweicloud_sms_sources" _ A ["state"]
            "Source servers by state; every known state is there." "/v3/sources, counted";
        SourcesInStage Gauge "huaweicloud_sms_sources_in_stage" _ A ["stage"]
            "Source servers by stage of their migration; every known stage is there." "migration_cycle, counted";
        Agents Gauge "huaweicloud_sms_agents" _ A ["status"]
            "Agents that are connected and disconnected." "connected, counted";
        OverviewSources Gauge "huaweicloud_sms_overview_sources" _ A ["state"]
            "Source servers by state as the service itself sums them up; it need not fit the list." "/v3/sources/overview";
        Tasks Gauge "huaweicloud_sms_tasks" _ A ["state", "type"]
            "Migration tasks by state and type; every known combination is there." "/v3/tasks, counted";
        Checks Gauge "huaweicloud_sms_checks" _ A ["check", "result"]
            "Environment checks of all source servers by result." "checks, counted";
        MigrationErrors Gauge "huaweicloud_sms_migration_errors" _ A ["error_code", "category"]
            "Migration errors that the service lists, by code and by what kind of trouble it is." "/v3/errors, counted";
        ReplicatedBytes Counter "huaweicloud_sms_replicated_bytes_total" "bytes" A []
            "Bytes that all source servers together replicated while this exporter watched." "replicatesize, gained";
    }
    Source {
        SourceInfo Info "huaweicloud_sms_source_info" _ S ["hostname", "ip", "os_type", "os_version", "enterprise_project_id", "agent_version", "firmware"]
            "What merely describes a source server." "/v3/sources";
        SourceState Gauge "huaweicloud_sms_source_state" _ S ["state"]
            "The state that a source server is in; one series, with the value 1." "state";
        SourceStateCode Gauge "huaweicloud_sms_source_state_code" _ S []
            "The state that a source server is in as a number, for timelines; 0 is unknown." "state";
        SourceStage Gauge "huaweicloud_sms_source_stage" _ S ["stage"]
            "The stage that a source server's migration is in; one series, with the value 1." "migration_cycle";
        SourceConnected Gauge "huaweicloud_sms_source_connected" _ S []
            "Whether a source server's agent is connected to the service." "connected";
        SourceReplicatedSize Gauge "huaweicloud_sms_source_replicated_size_bytes" "bytes" S []
            "Bytes that a source server has replicated, as the service says; may fall." "replicatesize";
        SourceTotalSize Gauge "huaweicloud_sms_source_total_size_bytes" "bytes" S []
            "Bytes that a source server has to replicate." "totalsize";
        SourceReplicatedBytes Counter "huaweicloud_sms_source_replicated_bytes_total" "bytes" S []
            "Bytes that a source server replicated while this exporter watched." "replicatesize, gained";
        SourceCpuCores Gauge "huaweicloud_sms_source_cpu_cores" _ S []
            "Processor cores of a source server." "cpu_quantity";
        SourceMemory Gauge "huaweicloud_sms_source_memory_bytes" "bytes" S []
            "Memory of a source server." "memory";
        SourceDiskSize Gauge "huaweicloud_sms_source_disk_size_bytes" "bytes" S ["disk", "use"]
            "Size of a disk of a source server." "init_target_server.disks[].size";
        SourceDiskUsed Gauge "huaweicloud_sms_source_disk_used_bytes" "bytes" S ["disk", "use"]
            "Used bytes of a disk of a source server." "init_target_server.disks[].used_size";
        SourceChecks Gauge "huaweicloud_sms_source_checks" _ S ["result"]
            "Environment checks of a source server by result." "checks, counted";
        SourceCheckProblem Gauge "huaweicloud_sms_source_check_problem" _ S ["check", "result", "error_code"]
            "An environment check of a source server that is not OK; the value is 1." "checks";
        SourceRegistered Gauge "huaweicloud_sms_source_registered_timestamp_seconds" "seconds" S []
            "When a source server was registered." "add_date";
        SourceStateChanged Gauge "huaweicloud_sms_source_state_changed_timestamp_seconds" "seconds" S []
            "When a source server's state last changed." "state_action_time";
        SourceStageChanged Gauge "huaweicloud_sms_source_stage_changed_timestamp_seconds" "seconds" S []
            "When the stage of a source server's migration last changed." "stage_action_time";
        SourceConnectionChanged Gauge "huaweicloud_sms_source_connection_changed_timestamp_seconds" "seconds" S []
            "When a source server's agent last connected or disconnected." "last_visit_time";
        SourceTrafficControl Gauge "huaweicloud_sms_source_traffic_control_installed" _ S []
            "Whether a source server has the tool by which the agent enforces a speed limit." "has_tc";
        SourceConsistencyResult Gauge "huaweicloud_sms_source_consistency_result_available" _ S []
            "Whether a source server has a result of a consistency check." "is_consistency_result_exist";
        SourceErrorInfo Info "huaweicloud_sms_source_error_info" _ S ["error_code", "category"]
            "A migration error that the service lists for a source server." "/v3/errors";
    }
    Task {
        TaskInfo Info "huaweicloud_sms_task_info" _ T ["task_name", "type", "os_type", "priority", "region_id", "project_name", "target_server_id", "target_server_name", "target_ip"]
            "What merely describes a task." "/v3/tasks and the source's current_task";
        TaskState Gauge "huaweicloud_sms_task_state" _ T ["state"]
            "The state that a task is in; one series, with the value 1." "state";
        TaskStateCode Gauge "huaweicloud_sms_task_state_code" _ T []
            "The state that a task is in as a number, for timelines; 0 is unknown." "state";
        TaskMigrateSpeed Gauge "huaweicloud_sms_task_migrate_speed_bytes_per_second" "bytes_per_second" T []
            "How fast a task copies." "migrate_speed";
        TaskSpeedLimit Gauge "huaweicloud_sms_task_speed_limit_bytes_per_second" "bytes_per_second" T []
            "The speed limit in force for a task when it was read; no series where it is unlimited." "speed-limit, else speed_limit";
        TaskOverspeedThreshold Gauge "huaweicloud_sms_task_overspeed_threshold_ratio" "ratio" T []
            "By how much of the limit a task may be too fast before the service stops it." "over_speed_threshold";
        TaskOverspeed Gauge "huaweicloud_sms_task_overspeed" _ T []
            "Whether a task is faster than its limit; no series without a limit." "migrate_speed and the limit in force";
        TaskOverspeedEvents Counter "huaweicloud_sms_task_overspeed_events_total" _ T []
            "How often a task's speed went from within its limit to above it." "migrate_speed and the limit in force";
        TaskCompressionRate Gauge "huaweicloud_sms_task_compression_rate" _ T []
            "Compression rate of a task; the API gives no unit." "compress_rate";
        TaskCreated Gauge "huaweicloud_sms_task_created_timestamp_seconds" "seconds" T []
            "When a task was created." "create_date";
        TaskStarted Gauge "huaweicloud_sms_task_started_timestamp_seconds" "seconds" T []
            "When a task was started." "current_task.start_date";
        TaskEstimatedCompletion Gauge "huaweicloud_sms_task_estimated_completion_timestamp_seconds" "seconds" T []
            "When the service expects a task to be done." "estimate_complete_time";
        TaskActive Gauge "huaweicloud_sms_task_active_seconds" "seconds" T []
            "How long a task's subtasks have run in all." "total_time";
        TaskRemaining Gauge "huaweicloud_sms_task_remaining_seconds" "seconds" T []
            "How long a task that copies will still take, as the service says." "current_task.remain_seconds";
        TaskSubtaskProgress Gauge "huaweicloud_sms_task_subtask_progress_ratio" "ratio" T ["subtask"]
            "Progress of a subtask of a task that is not over." "sub_tasks[].progress";
        TaskSubtaskStarted Gauge "huaweicloud_sms_task_subtask_started_timestamp_seconds" "seconds" T ["subtask"]
            "When a subtask of a task that is not over began." "sub_tasks[].start_date";
        TaskSubtaskFinished Gauge "huaweicloud_sms_task_subtask_finished_timestamp_seconds" "seconds" T ["subtask"]
            "When a subtask of a task that is not over ended." "sub_tasks[].end_date";
        TaskHostCpu Gauge "huaweicloud_sms_task_host_cpu_usage_ratio" "ratio" T []
            "Processor usage of a task's source server." "total_cpu_usage";
        TaskAgentCpu Gauge "huaweicloud_sms_task_agent_cpu_usage_ratio" "ratio" T []
            "Processor usage of a task's agent." "agent_cpu_usage";
        TaskHostMemory Gauge "huaweicloud_sms_task_host_memory_used_bytes" "bytes" T []
            "Used memory of a task's source server." "total_mem_usage";
        TaskAgentMemory Gauge "huaweicloud_sms_task_agent_memory_used_bytes" "bytes" T []
            "Memory used by a task's agent." "agent_mem_usage";
        TaskHostDiskIo Gauge "huaweicloud_sms_task_host_disk_io_bytes_per_second" "bytes_per_second" T []
            "Disk I/O of a task's source server; the documents disagree on its unit." "total_disk_io";
        TaskAgentDiskIo Gauge "huaweicloud_sms_task_agent_disk_io_bytes_per_second" "bytes_per_second" T []
            "Disk I/O of a task's agent; the documents disagree on its unit." "agent_disk_io";
        TaskNetworkLatency Gauge "huaweicloud_sms_task_network_latency_seconds" "seconds" T []
            "Network latency between a task's source and target." "network_check_info.network_delay";
        TaskNetworkJitter Gauge "huaweicloud_sms_task_network_jitter_seconds" "seconds" T []
            "Network jitter between a task's source and target." "network_check_info.network_jitter";
        TaskNetworkLoss Gauge "huaweicloud_sms_task_network_loss_ratio" "ratio" T []
            "Share of packets lost between a task's source and target." "network_check_info.loss_percentage";
        TaskNetworkBandwidth Gauge "huaweicloud_sms_task_network_bandwidth_bytes_per_second" "bytes_per_second" T []
            "Network bandwidth between a task's source and target." "network_check_info.migration_speed";
        TaskDomainReachable Gauge "huaweicloud_sms_task_network_domain_reachable" _ T []
            "Whether a task's source reaches the service's domain names." "network_check_info.domain_connectivity";
        TaskTargetReachable Gauge "huaweicloud_sms_task_network_target_reachable" _ T []
            "Whether a task's source reaches its target." "network_check_info.destination_connectivity";
        TaskErrorInfo Info "huaweicloud_sms_task_error_info" _ T ["error_code", "category"]
            "Why a task failed." "error_json";
        TaskConsistencyFiles Gauge "huaweicloud_sms_task_consistency_files" _ T ["kind"]
            "Files of the newest consistency check of a task, by what it found." "consistency-result";
        TaskConsistencyChecked Gauge "huaweicloud_sms_task_consistency_checked_timestamp_seconds" "seconds" T []
            "When the newest consistency check of a task ended." "consistency-result, finished_time";
    }
    Events {
        SourceTransitions Counter "huaweicloud_sms_source_state_transitions_total" _ A ["from", "to"]
            "Changes of source servers' states that two polls saw." "state";
        TaskTransitions Counter "huaweicloud_sms_task_state_transitions_total" _ A ["from", "to"]
            "Changes of tasks' states that two polls saw." "state";
        AgentDisconnects Counter "huaweicloud_sms_agent_disconnects_total" _ A []
            "Agents that lost their connection." "connected";
        AgentReconnects Counter "huaweicloud_sms_agent_reconnects_total" _ A []
            "Agents that came back." "connected";
        TaskFailures Counter "huaweicloud_sms_task_failures_total" _ A ["error_code", "category"]
            "Tasks that failed, by code and by what kind of trouble it is." "state and error_json";
        CheckFailures Counter "huaweicloud_sms_check_failures_total" _ A ["check", "error_code"]
            "Environment checks that came to an error." "checks";
        CheckWarnings Counter "huaweicloud_sms_check_warnings_total" _ A ["check", "error_code"]
            "Environment checks that came to a warning." "checks";
        OverspeedEvents Counter "huaweicloud_sms_overspeed_events_total" _ A []
            "How often a task's speed went from within its limit to above it." "migrate_speed and the limit in force";
        OverspeedStops Counter "huaweicloud_sms_overspeed_stops_suspected_total" _ A []
            "Tasks that were stopped after they ran above their limit and its threshold." "state, migrate_speed and the limit in force";
        SourceRegistrations Counter "huaweicloud_sms_source_registrations_total" _ A []
            "Source servers that appeared in the list." "/v3/sources";
        SourceRemovals Counter "huaweicloud_sms_source_removals_total" _ A []
            "Source servers that went from the list." "/v3/sources";
    }
    Exporter {
        BuildInfo Info "sms_exporter_build_info" _ NONE ["version", "revision", "rustc"]
            "What this exporter was built from." "the build";
        PollSuccess Gauge "sms_exporter_poll_success" _ AC []
            "Whether the last poll of a collector succeeded." "the poll";
        PollDuration Gauge "sms_exporter_poll_duration_seconds" "seconds" AC []
            "How long the last poll of a collector took." "the poll";
        PollLastSuccess Gauge "sms_exporter_poll_last_success_timestamp_seconds" "seconds" AC []
            "When a collector last succeeded; its series are as old as this." "the poll";
        PollLastAttempt Gauge "sms_exporter_poll_last_attempt_timestamp_seconds" "seconds" AC []
            "When a collector was last polled." "the poll";
        PollConsecutiveFailures Gauge "sms_exporter_poll_consecutive_failures" _ AC []
            "How often a collector failed since it last succeeded." "the poll";
        Polls Counter "sms_exporter_polls_total" _ AC []
            "Polls of a collector." "the poll";
        PollFailures Counter "sms_exporter_poll_failures_total" _ AC ["reason"]
            "Polls of a collector that failed, by reason." "the poll";
        PollInterval Gauge "sms_exporter_poll_interval_seconds" "seconds" A []
            "How often the account is polled; what thresholds of ages are to be taken from." "the configuration";
        DetailsOldest Gauge "sms_exporter_details_oldest_timestamp_seconds" "seconds" AC []
            "When the oldest of the answers that are asked for object by object came." "the poll";
        DetailsPending Gauge "sms_exporter_details_pending" _ AC []
            "Objects whose details are due to be asked for, or were not answered yet." "the poll";
        ApiRequests Counter "sms_exporter_api_requests_total" _ A ["operation", "code"]
            "Requests to the service by HTTP status; the code is error where there was no answer." "the API";
        ApiRequestDuration Histogram "sms_exporter_api_request_duration_seconds" "seconds" A ["operation"]
            "How long requests to the service took, to the last byte of the answer." "the API";
        ApiRetries Counter "sms_exporter_api_retries_total" _ A ["operation", "reason"]
            "Requests that were made again, by reason." "the API";
        ApiThrottled Counter "sms_exporter_api_throttled_total" _ A ["operation"]
            "Requests that the service refused because it was asked too often." "the API";
        ApiRateLimit Gauge "sms_exporter_api_rate_limit_requests_per_second" _ A []
            "The rate of requests that the exporter allows itself now." "the rate limiter";
        ApiBudgetWait Counter "sms_exporter_api_budget_wait_seconds_total" "seconds" A []
            "How long requests waited for their turn." "the rate limiter";
        ObjectsExpected Gauge "sms_exporter_objects_expected" _ AC []
            "Objects that the service counts." "count";
        ObjectsExported Gauge "sms_exporter_objects_exported" _ AC []
            "Objects that are served." "the poll";
        ObjectsFiltered Gauge "sms_exporter_objects_filtered" _ AC []
            "Objects that the account's name filters leave out." "name_include, name_exclude";
        DuplicatesDropped Counter "sms_exporter_duplicates_dropped_total" _ AC []
            "Objects that came more than once and were dropped." "the poll";
        ObjectsUnconfirmed Gauge "sms_exporter_objects_unconfirmed" _ AC []
            "Objects that the last reading lacked and that keep their last values until the next confirms their removal." "the poll";
        ListRereads Counter "sms_exporter_list_rereads_total" _ AC ["reason"]
            "Readings of a list that did not hold and were made again, by reason." "the poll";
        ListOrderUnstable Gauge "sms_exporter_list_order_unstable" _ AC []
            "Whether the service's order of a list is not stable, so that it is the union of several readings." "the poll";
        ListImplausible Gauge "sms_exporter_list_implausible" _ AC []
            "Whether a list lost most of itself at once and is not believed yet." "the poll";
        MalformedValues Counter "sms_exporter_malformed_values_total" _ A ["field"]
            "Values that are not what the API documents." "the poll";
        UnknownValues Counter "sms_exporter_unknown_values_total" _ A ["field"]
            "Values outside the sets that this exporter knows." "the poll";
        Series Gauge "sms_exporter_series" _ NONE ["family"]
            "Series of a family on the page." "the page";
        SeriesDropped Gauge "sms_exporter_series_dropped" _ NONE ["family"]
            "Series of a family that a limit keeps from the page." "the page";
        PageBytes Gauge "sms_exporter_page_bytes" "bytes" NONE ["encoding"]
            "Size of the page without the exporter's own metrics." "the page";
        CredentialsExpiry Gauge "sms_exporter_credentials_expiry_timestamp_seconds" "seconds" A []
            "When the credentials end; no series where they are permanent." "the credentials";
        AuthFailures Counter "sms_exporter_auth_failures_total" _ A []
            "How often credentials were refused." "the API";
        ReloadSuccessful Gauge "sms_exporter_config_last_reload_successful" _ NONE []
            "Whether the last attempt to load the configuration succeeded." "the configuration";
        ReloadSuccess Gauge "sms_exporter_config_last_reload_success_timestamp_seconds" "seconds" NONE []
            "When the configuration was last loaded." "the configuration";
        StorageWriteFailures Counter "sms_exporter_storage_write_failures_total" _ A []
            "How often what must survive a restart could not be written." "the storage";
        StorageLastSuccess Gauge "sms_exporter_storage_last_success_timestamp_seconds" "seconds" A []
            "When what must survive a restart was last written." "the storage";
        HttpRequests Counter "sms_exporter_http_requests_total" _ NONE ["path", "code"]
            "Requests to the exporter." "the server";
        HttpOpenConnections Gauge "sms_exporter_http_open_connections" _ NONE []
            "Connections to the exporter that are open." "the server";
        HttpEvictions Counter "sms_exporter_http_evictions_total" _ NONE ["resource"]
            "Connections and scrapes that were ended to make room for others." "the server";
        ProcessCpu Counter "process_cpu_seconds_total" "seconds" NONE []
            "User and system processor time of the process." "/proc/self/stat";
        ProcessMemory Gauge "process_resident_memory_bytes" "bytes" NONE []
            "Resident memory of the process." "/proc/self/stat";
        ProcessOpenFds Gauge "process_open_fds" _ NONE []
            "Open file descriptors of the process." "/proc/self/fd";
        ProcessMaxFds Gauge "process_max_fds" _ NONE []
            "How many file descriptors the process may open." "/proc/self/limits";
        ProcessStartTime Gauge "process_start_time_seconds" "seconds" NONE []
            "When the process started." "/proc/self/stat";
    }
}

/// No labels.
const NONE: &[&str] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_say_their_kind_and_unit() {
        let mut names = BTreeSet::new();
        for Entry { desc, .. } in all() {
            assert!(names.insert(desc.name), "{} twice", desc.name);
            assert_eq!(desc.name.ends_with("_total"), desc.kind == Kind::Counter, "{}", desc.name);
            assert_eq!(desc.name.ends_with("_info"), desc.kind == Kind::Info, "{}", desc.name);
            let base = desc.name.trim_end_matches("_total");
            assert!(desc.unit.is_none_or(|unit| base.ends_with(unit)), "{}", desc.name);
            assert!(desc.help.ends_with('.') && !desc.help.contains(['\n', '\\', '"']), "{}", desc.name);
            let prefixes = ["huaweicloud_sms_", "sms_exporter_", "process_"];
            assert!(prefixes.iter().any(|prefix| desc.name.starts_with(prefix)), "{}", desc.name);
        }
    }

    #[test]
    fn a_family_finds_its_own_entry() {
        assert_eq!(Family::Sources.desc().name, "huaweicloud_sms_sources");
        assert_eq!(Family::ProcessStartTime.desc().name, "process_start_time_seconds");
        assert_eq!(Family::TaskErrorInfo.entry().subject, Subject::Task);
    }
}
