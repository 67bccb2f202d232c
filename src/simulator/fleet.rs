//! Making servers: names, disks, checks and tasks that look like those of a data centre.

use std::collections::BTreeMap;

use super::random::{Random, real, two_decimals, whole};
use super::world::{Check, Disk, Network, Source, SpeedRule, SubTask, Target, Task, Text};

const GIB: i64 = 1 << 30;

const LINUX_ROLES: [(&str, &str); 8] = [
    ("web", "prod"),
    ("app", "prod"),
    ("db", "erp"),
    ("cache", "shop"),
    ("mq", "core"),
    ("build", "ci"),
    ("nfs", "files"),
    ("etl", "dwh"),
];
const WINDOWS_ROLES: [&str; 5] = ["AD", "SQL", "IIS", "FILE", "TS"];
const LINUX_VERSIONS: [&str; 6] = [
    "CENTOS_7_6_64BIT",
    "REDHAT_7_3_64BIT",
    "UBUNTU_20_4_64BIT",
    "DEBIAN_10_0_64BIT",
    "SUSE_12_5_64BIT",
    "CENTOS_6_5_64BIT",
];
const WINDOWS_VERSIONS: [&str; 4] =
    ["WINDOWS2012_R2_64BIT", "WINDOWS2016_64BIT", "WINDOWS2019_64BIT", "WINDOWS2022_64BIT"];

/// Check, and the error that it gives when it fails.
const LINUX_CHECKS: [(&str, &str); 15] = [
    ("OS_VERSION", "SMS.6504"),
    ("CPU", "SMS.6506"),
    ("MEMORY", "SMS.6514"),
    ("PARAVIRTUALIZATION", "SMS.6515"),
    ("FIRMWARE", "SMS.6505"),
    ("BOOT_LOADER", "SMS.6516"),
    ("RSYNC", "SMS.6517"),
    ("RAW_DEVICES", "SMS.6518"),
    ("DISK_INFO", "SMS.6519"),
    ("PARTITION_STYLE", "SMS.6508"),
    ("FILE_SYSTEM", "SMS.6509"),
    ("LINUX_BLOCK_SUPPORT", "SMS.6617"),
    ("FREE_SPACE", "SMS.6611"),
    ("SERVICE", "SMS.6512"),
    ("ACCOUNT_RIGHTS", "SMS.6513"),
];
const WINDOWS_CHECKS: [(&str, &str); 12] = [
    ("OS_VERSION", "SMS.6504"),
    ("FIRMWARE", "SMS.6505"),
    ("CPU", "SMS.6506"),
    ("MEMORY", "SMS.6514"),
    ("SYSTEM_ROOT", "SMS.6507"),
    ("PARTITION_STYLE", "SMS.6508"),
    ("FILE_SYSTEM", "SMS.6509"),
    ("FREE_SPACE", "SMS.6611"),
    ("OEM_SYSTEM", "SMS.6510"),
    ("DRIVER_FILE", "SMS.6511"),
    ("SERVICE", "SMS.6533"),
    ("ACCOUNT_RIGHTS", "SMS.6513"),
];

/// A server at the moment of its registration: no checks yet, no task.
pub(super) fn register(random: &mut Random, ordinal: u64, now: i64, migproject: &str) -> Source {
    let windows = ordinal % 3 == 2;
    let name = name(random, ordinal, windows);
    Source {
        ordinal,
        id: random.uuid(),
        ip: format!("192.168.{}.{}", ordinal / 200 % 250, ordinal % 200 + 10),
        hostname: (ordinal % 4 != 1).then(|| name.to_lowercase()),
        name,
        enterprise_project_id: match ordinal % 5 {
            0 | 3 => None,
            4 => Some(format!("eps-{:04}", ordinal % 7)),
            _ => Some("0".to_owned()),
        },
        migproject: migproject.to_owned(),
        // The service keeps seconds here and milliseconds in the other times.
        add_date: now / 1000 * 1000,
        os_type: if windows { "WINDOWS".into() } else { "LINUX".into() },
        os_version: Text::Borrowed(*random.pick(if windows {
            &WINDOWS_VERSIONS[..]
        } else {
            &LINUX_VERSIONS
        })),
        firmware: if ordinal.is_multiple_of(4) { "UEFI".into() } else { "BIOS".into() },
        agent_version: Text::Borrowed(*random.pick(&["6.1.8", "25.2.0", "25.4.1"])),
        state: "unavailable".into(),
        connected: true,
        cpu_quantity: *random.pick(&[1, 2, 4, 8, 16]),
        // Never a round number: the kernel keeps some for itself.
        memory: *random.pick(&[1, 2, 4, 8, 16, 64]) * GIB - random.between(500_000, 60_000_000),
        disks: disks(random, windows),
        stage_action_time: Some(now),
        last_visit_time: Some(now),
        migration_cycle: "checking".into(),
        has_tc: (!windows && ordinal % 10 != 3).then_some(ordinal % 7 != 6),
        ..Source::default()
    }
}

fn name(random: &mut Random, ordinal: u64, windows: bool) -> String {
    if windows {
        return format!("WIN-{}-{ordinal:02}", random.pick(&WINDOWS_ROLES));
    }
    let (role, place) = random.pick(&LINUX_ROLES);
    format!("{role}-{place}-{ordinal:03}")
}

fn disks(random: &mut Random, windows: bool) -> Vec<Disk> {
    let count = random.between(2, 5);
    (0..count).map(|index| disk(random, windows, index)).collect()
}

fn disk(random: &mut Random, windows: bool, index: i64) -> Disk {
    let size = *random.pick(&[20, 40, 40, 80]) * GIB;
    let used = whole(real(size) * random.real(0.05, 0.4));
    let letter = |base: u8| char::from(base + u8::try_from(index).expect("at most five disks"));
    let device_use = match (windows, index) {
        (true, 0) => "OS",
        (false, 0) if random.chance(0.3) => "BOOT|OS",
        (false, 0) => "BOOT",
        _ => "NORMAL",
    };
    let (name, volume, mount) = if windows {
        (format!("Disk {index}"), format!("{}:\\", letter(b'C')), String::new())
    } else {
        let name = format!("/dev/vd{}", letter(b'a'));
        let mount = if index == 0 { "/".to_owned() } else { format!("/data{index}") };
        (name.clone(), format!("{name}1"), mount)
    };
    let volumes = vec![(volume, mount, size - 1024 * 1024, used)];
    Disk { name, size, used_size: used, device_use: device_use.into(), volumes }
}

/// The environment check's result; `failing` makes one to three of them errors.
pub(super) fn checks(random: &mut Random, source: &Source, failing: bool) -> Vec<Check> {
    let table = if source.os_type == "WINDOWS" { &WINDOWS_CHECKS[..] } else { &LINUX_CHECKS };
    let first = 500_000 + i64::try_from(source.ordinal).expect("few servers") * 20;
    let mut checks: Vec<Check> = (first..)
        .zip(table)
        .map(|(id, (name, _))| Check { id, name: (*name).into(), result: "OK".into(), error_code: None })
        .collect();
    let mut spoil = |index: usize, result: &'static str| {
        checks[index].result = result.into();
        checks[index].error_code = Some(table[index].1.into());
    };
    if table.len() > 12 && random.chance(0.3) {
        spoil(11, "WARN");
    }
    if failing {
        for _ in 0..random.between(1, 3) {
            spoil(*random.pick(&[0, 4, 6, 7, 9, 10]), "ERROR");
        }
    }
    checks
}

/// The task that a user sets up for a server.
pub(super) fn task(random: &mut Random, source: &Source, now: i64) -> Task {
    let windows = source.os_type == "WINDOWS";
    let block = windows || source.ordinal % 4 == 1;
    let overspeeds = source.ordinal % 7 == 6;
    let limited = overspeeds || source.ordinal.is_multiple_of(3);
    let speed_limit = if limited { *random.pick(&[100, 200, 300, 500]) } else { 0 };
    Task {
        ordinal: source.ordinal,
        id: random.uuid(),
        name: if source.ordinal.is_multiple_of(2) {
            "MigrationTask".into()
        } else {
            format!("sms_task_{}", source.name)
        },
        kind: if block { "MIGRATE_BLOCK".into() } else { "MIGRATE_FILE".into() },
        state: "READY".into(),
        create_date: now / 1000 * 1000,
        priority: random.between(0, 2),
        speed_limit,
        compress_rate: 1.0,
        sub_tasks: sub_tasks(source, windows, block),
        source_id: source.id.clone(),
        enterprise_project_id: source.enterprise_project_id.clone(),
        target: Target { id: random.uuid(), ..Target::default() },
        syncing: source.ordinal % 3 != 1,
        rules: if limited && (overspeeds || source.ordinal.is_multiple_of(2)) {
            rules(random, speed_limit, overspeeds)
        } else {
            Vec::new()
        },
        odd: BTreeMap::new(),
        ..Task::default()
    }
}

fn rules(random: &mut Random, speed: i64, overspeeds: bool) -> Vec<SpeedRule> {
    let over_speed_threshold = (overspeeds || random.chance(0.7)).then(|| *random.pick(&[10.0, 20.0, 50.0]));
    let rule = |start: &'static str, end: &'static str, speed| SpeedRule {
        start: start.into(),
        end: end.into(),
        speed,
        over_speed_threshold,
    };
    if overspeeds || random.chance(0.6) {
        return vec![rule("00:00", if random.chance(0.5) { "23:59" } else { "24:00" }, speed)];
    }
    vec![rule("0:00", "8:00", speed), rule("08:00", "20:00", speed / 2), rule("20:00", "24:00", 0)]
}

fn sub_tasks(source: &Source, windows: bool, block: bool) -> Vec<SubTask> {
    let [format, migrate, sync, configure] = match (windows, block) {
        (true, _) => {
            ["FORMAT_DISK_WINDOWS", "MIGRATE_WINDOWS_BLOCK", "SYNC_WINDOWS_BLOCK", "CONFIGURE_WINDOWS"]
        }
        (false, true) => {
            ["FORMAT_DISK_LINUX_BLOCK", "MIGRATE_LINUX_BLOCK", "SYNC_LINUX_BLOCK", "CONFIGURE_LINUX_BLOCK"]
        }
        (false, false) => {
            ["FORMAT_DISK_LINUX_FILE", "MIGRATE_LINUX_FILE", "SYNC_LINUX_FILE", "CONFIGURE_LINUX_FILE"]
        }
    };
    let steps = [
        ("CREATE_CLOUD_SERVER", "REPLICATE"),
        ("SSL_CONFIG", "REPLICATE"),
        ("ATTACH_AGENT_IMAGE", "REPLICATE"),
        (format, "REPLICATE"),
        (migrate, "REPLICATE"),
        ("SSL_CONFIG", "RESYNC0"),
        (sync, "RESYNC0"),
        (configure, "CUTOVER0"),
        ("DETTACH_AGENT_IMAGE", "CUTOVER0"),
    ];
    let first = 7000 + i64::try_from(source.ordinal).expect("few servers") * 20;
    (first..)
        .zip(steps)
        .map(|(id, (name, user_op))| SubTask {
            id,
            name: name.into(),
            user_op: user_op.into(),
            ..SubTask::default()
        })
        .collect()
}

/// What the check of the network finds before the copy begins.
pub(super) fn network(random: &mut Random, bandwidth: f64) -> Network {
    Network {
        domain_connectivity: true,
        destination_connectivity: !random.chance(0.05),
        network_delay: two_decimals(random.real(2.0, 90.0)),
        network_jitter: two_decimals(random.real(0.1, 9.0)),
        migration_speed: two_decimals(bandwidth * 1.2),
        loss_percentage: two_decimals(random.real(0.0, 1.5)),
        cpu_usage: two_decimals(random.real(3.0, 70.0)),
        mem_usage: two_decimals(random.real(20.0, 90.0)),
    }
}
