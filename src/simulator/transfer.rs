//! The copying: sizes that grow, speeds that jitter, limits that hold or do not, and the service's stop.

use super::course::{Hazard, Next, Scene};
use super::random::{real, two_decimals, whole};
use super::world::Consistency;

/// Above limit and threshold for so long, the service stops the task.
const PATIENCE: i64 = 60_000;

/// Bytes per second in one Mbit/s.
const MEGABIT: f64 = 125_000.0;

/// Begins or goes on with the first copy.
pub(super) fn begin(scene: &mut Scene<'_>) -> Next {
    scene.enter("replicate");
    let total = scene.source.disks.iter().fold(0_i64, |sum, disk| sum.saturating_add(disk.used_size));
    scene.source.totalsize = total;
    scene.course.over_since = None;
    let now = scene.now;
    if let Some(task) = scene.task.as_deref_mut() {
        task.compress_rate = two_decimals(scene.course.random.real(1.1, 3.5));
        if let Some(step) = task.sub_tasks.get_mut(4) {
            step.start_date.get_or_insert(now);
        }
    }
    draw_speed(scene, 1.0);
    Next::After(scene.tick)
}

/// One tick of the first copy.
pub(super) fn replicate(scene: &mut Scene<'_>) -> Next {
    copy(scene);
    let (done, total) = (scene.source.replicatesize, scene.source.totalsize);
    let part = if total > 0 { real(done) / real(total) } else { 1.0 };
    if let Some(step) = scene.task.as_deref_mut().and_then(|task| task.sub_tasks.get_mut(4)) {
        step.progress = whole(part * 100.0);
        step.end_date = (done >= total).then_some(scene.now);
    }
    if scene.course.stumbles_in == Some("replicate") && part > 0.4 {
        return scene.stumble("MIGRATE_FAIL", &["SMS.1908", "SMS.1904", "SMS.5403", "SMS.1807", "SMS.0212"]);
    }
    if scene.course.meets(Hazard::Pause) && scene.course.stops_left > 0 && part > 0.3 {
        scene.course.stops_left -= 1;
        return stop(scene, "initialize");
    }
    if done >= total {
        return keep_in_sync(scene);
    }
    draw_speed(scene, 1.0);
    if is_out_of_patience(scene) {
        return stop(scene, "initialize");
    }
    estimate(scene);
    Next::After(scene.tick)
}

/// One tick of the synchronisation, which ends after a while with the cut-over or what comes before it.
pub(super) fn sync(scene: &mut Scene<'_>) -> Next {
    let fresh = scene.course.random.between(0, 20_000_000);
    scene.source.totalsize = scene.source.totalsize.saturating_add(fresh);
    copy(scene);
    if scene.course.stumbles_in == Some("syncing") && scene.now + 2 * PATIENCE > scene.course.until {
        return scene.stumble("SYNC_FAIL", &["SMS.1414", "SMS.1801", "SMS.1910"]);
    }
    if scene.now < scene.course.until {
        draw_speed(scene, 0.15);
        if is_out_of_patience(scene) {
            return stop(scene, "syncing");
        }
        return Next::After(scene.tick);
    }
    if scene.source.ordinal.is_multiple_of(2) {
        compare(scene);
    }
    finish_sync(scene)
}

fn finish_sync(scene: &mut Scene<'_>) -> Next {
    let now = scene.now;
    let (clone, skip) = (scene.course.meets(Hazard::Clone), scene.course.meets(Hazard::Skip));
    if let Some(task) = scene.task.as_deref_mut() {
        task.migrate_speed = 0.0;
        task.state = if clone || !skip { "RUNNING".into() } else { "SKIPPING".into() };
        task.clone_server = clone.then(|| format!("{}-clone", scene.source.name));
        if let Some(step) = task.sub_tasks.get_mut(6) {
            (step.progress, step.end_date) = (100, Some(now));
        }
    }
    if clone || skip {
        scene.enter(if clone { "cloning" } else { "skipping" });
        return Next::After(scene.course.random.between(40_000, 150_000));
    }
    scene.enter("cutovering");
    scene.enter_stage("cutovering");
    Next::After(scene.tick)
}

fn keep_in_sync(scene: &mut Scene<'_>) -> Next {
    scene.enter("syncing");
    scene.enter_stage("syncing");
    scene.course.until = scene.now + scene.course.random.between(200_000, 1_200_000);
    let now = scene.now;
    if let Some(task) = scene.task.as_deref_mut() {
        task.state = "SYNCING".into();
        (task.estimate_complete_time, task.remain_seconds) = (None, None);
        if let Some([ssl, sync]) = task.sub_tasks.get_mut(5..7) {
            (ssl.progress, ssl.start_date, ssl.end_date) = (100, Some(now), Some(now + 4000));
            (sync.progress, sync.start_date) = (50, Some(now + 4000));
        }
    }
    draw_speed(scene, 0.15);
    Next::After(scene.tick)
}

/// Accounts for what was copied since the last look.
fn copy(scene: &mut Scene<'_>) {
    let elapsed = scene.now - scene.course.worked;
    scene.course.worked = scene.now;
    let Some(task) = scene.task.as_deref_mut() else { return };
    task.total_time += elapsed;
    let gained = whole(task.migrate_speed * MEGABIT * real(elapsed) / 1000.0);
    scene.source.replicatesize =
        scene.source.replicatesize.saturating_add(gained).min(scene.source.totalsize);
}

/// The speed until the next look: what the network gives, held to the limit where `tc` can hold it.
fn draw_speed(scene: &mut Scene<'_>, part: f64) {
    let (now, course) = (scene.now, &mut *scene.course);
    let Some(task) = scene.task.as_deref_mut() else { return };
    let free = course.bandwidth * part * course.random.real(0.85, 1.15);
    let limit = task.limit_at(now);
    let speed = match limit {
        None => free,
        Some((limit, threshold)) => {
            let surge = surge(course, now, threshold.unwrap_or(10.0));
            let held = free.min(real(limit) * course.random.real(0.9, 0.99));
            surge.map_or(held, |factor| real(limit) * factor)
        }
    };
    task.migrate_speed = if scene.source.connected { two_decimals(speed) } else { 0.0 };
    let usage = &mut task.usage;
    usage.agent_cpu_usage = two_decimals(course.random.real(1.0, 12.0));
    usage.total_cpu_usage = two_decimals(usage.agent_cpu_usage + course.random.real(5.0, 60.0));
    usage.agent_mem_usage = two_decimals(course.random.real(80.0, 240.0));
    usage.total_mem_usage = two_decimals(real(scene.source.memory >> 20) * course.random.real(0.3, 0.8));
    usage.agent_disk_io = two_decimals(speed * 1.1);
    usage.total_disk_io = two_decimals(speed * 1.1 + course.random.real(1.0, 90.0));
}

/// Servers without `tc` speed now and then: a little, or so much that the service will stop them.
fn surge(course: &mut super::course::Course, now: i64, threshold: f64) -> Option<f64> {
    if !course.meets(Hazard::Overspeed) {
        return None;
    }
    if course.surge.is_none_or(|(until, _)| until < now) {
        course.surge = None;
        if course.random.chance(0.06) {
            let severe = course.stops_left > 0 && course.random.chance(0.5);
            let (duration, low) =
                if severe { (4 * PATIENCE, 1.05 + threshold / 100.0) } else { (40_000, 1.01) };
            course.surge =
                Some((now + duration, low + course.random.real(0.0, if severe { 0.3 } else { 0.05 })));
        }
    }
    course.surge.map(|(_, factor)| factor)
}

fn is_out_of_patience(scene: &mut Scene<'_>) -> bool {
    let Some(task) = scene.task.as_deref() else { return false };
    let over = task
        .limit_at(scene.now)
        .and_then(|(limit, threshold)| threshold.map(|percent| real(limit) * (1.0 + percent / 100.0)))
        .is_some_and(|bound| task.migrate_speed > bound);
    if !over {
        scene.course.over_since = None;
        return false;
    }
    let since = *scene.course.over_since.get_or_insert(scene.now);
    if scene.now - since < PATIENCE {
        return false;
    }
    scene.course.stops_left = scene.course.stops_left.saturating_sub(1);
    (scene.course.surge, scene.course.over_since) = (None, None);
    true
}

fn stop(scene: &mut Scene<'_>, resume: &'static str) -> Next {
    scene.course.resume = resume;
    scene.enter("stopping");
    if let Some(task) = scene.task.as_deref_mut() {
        task.state = "ABORTING".into();
        (task.estimate_complete_time, task.remain_seconds) = (None, None);
        task.migrate_speed = 0.0;
    }
    Next::After(scene.course.random.between(10_000, 30_000))
}

fn estimate(scene: &mut Scene<'_>) {
    let left = real(scene.source.totalsize.saturating_sub(scene.source.replicatesize));
    let now = scene.now;
    let Some(task) = scene.task.as_deref_mut() else { return };
    let seconds = (task.migrate_speed > 0.0).then(|| whole(left / (task.migrate_speed * MEGABIT)));
    task.estimate_complete_time =
        seconds.map(|seconds| (now / 1000).saturating_add(seconds).saturating_mul(1000));
    task.remain_seconds = seconds;
}

/// A comparison of source and target, as a user would ask for before the cut-over.
fn compare(scene: &mut Scene<'_>) {
    let random = &mut scene.course.random;
    let mut directories = Vec::new();
    for directory in ["/root/sync", "/var/lib/app", "/srv"]
        .iter()
        .take(usize::from(scene.source.ordinal.is_multiple_of(3)) + 1)
    {
        let total = random.between(10, 90_000);
        let odd = if random.chance(0.3) { random.between(0, 12) } else { 0 };
        directories.push(((*directory).to_owned(), [total, odd, odd / 2, odd / 3]));
    }
    let clean = directories.iter().all(|(_, [_, different, _, _])| *different == 0);
    let now = scene.now;
    if let Some(task) = scene.task.as_deref_mut() {
        let check_result = if clean { "success".into() } else { "failed".into() };
        task.consistency = Some(Consistency { finished_time: now, check_result, directories });
        scene.source.is_consistency_result_exist = true;
    }
}
