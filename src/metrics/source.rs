//! The series of single source servers.

use std::collections::BTreeSet;

use super::fleet::code_labels;
use super::{Family, Sheet, Tally};
use crate::exposition::Labels;
use crate::model::{CheckResult, ErrorCode, Fleet, OsType, Source, Timestamp};

pub(super) fn render(sheet: &mut Sheet, base: &Labels, fleet: &Fleet, tally: &Tally) {
    for source in fleet.sources() {
        let labels = base.with(&[("source_id", source.id.as_str()), ("source_name", &source.name)]);
        info(sheet, &labels, source);
        states(sheet, &labels, source);
        sizes(sheet, &labels, source, tally);
        disks(sheet, &labels, source);
        checks(sheet, &labels, source);
        times(sheet, &labels, source);
    }
    errors(sheet, base, fleet);
}

fn info(sheet: &mut Sheet, labels: &Labels, source: &Source) {
    let facts = &source.facts;
    let text = |text: &'_ Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
    let further = [
        ("hostname", text(&facts.hostname)),
        ("ip", text(&facts.ip)),
        ("os_type", facts.os_type.map(OsType::label).unwrap_or_default().to_owned()),
        ("os_version", text(&facts.os_version)),
        ("enterprise_project_id", text(&facts.enterprise_project_id)),
        ("agent_version", text(&facts.agent_version)),
        ("firmware", text(&facts.firmware)),
    ];
    let further = further.each_ref().map(|(name, value)| (*name, value.as_str()));
    sheet.push(Family::SourceInfo, labels, &further, 1_u32);
}

fn states(sheet: &mut Sheet, labels: &Labels, source: &Source) {
    if let Some(state) = source.state {
        sheet.push(Family::SourceState, labels, &[("state", state.label())], 1_u32);
        sheet.push(Family::SourceStateCode, labels, &[], u32::from(state.code()));
    }
    if let Some(stage) = source.stage {
        sheet.push(Family::SourceStage, labels, &[("stage", stage.label())], 1_u32);
    }
    sheet.some(Family::SourceConnected, labels, &[], source.connected);
    sheet.some(Family::SourceTrafficControl, labels, &[], source.traffic_control);
    sheet.some(Family::SourceConsistencyResult, labels, &[], source.consistency_result);
}

fn sizes(sheet: &mut Sheet, labels: &Labels, source: &Source, tally: &Tally) {
    sheet.some(Family::SourceReplicatedSize, labels, &[], source.replicated);
    sheet.some(Family::SourceTotalSize, labels, &[], source.total);
    // Where the service never said a size, nothing can have been counted.
    let counted = tally.replicated_by(&source.id).or(source.replicated.map(|_| 0));
    sheet.some(Family::SourceReplicatedBytes, labels, &[], counted);
    sheet.some(Family::SourceCpuCores, labels, &[], source.cpus);
    sheet.some(Family::SourceMemory, labels, &[], source.memory);
}

fn disks(sheet: &mut Sheet, labels: &Labels, source: &Source) {
    for disk in &source.disks {
        let further = [("disk", &*disk.name), ("use", disk.device_use.as_deref().unwrap_or_default())];
        sheet.some(Family::SourceDiskSize, labels, &further, disk.size);
        sheet.some(Family::SourceDiskUsed, labels, &further, disk.used);
    }
}

fn checks(sheet: &mut Sheet, labels: &Labels, source: &Source) {
    if source.checks.is_empty() {
        return;
    }
    for result in CheckResult::ALL {
        let count = source.checks.iter().filter(|check| check.result == result).count();
        sheet.push(Family::SourceChecks, labels, &[("result", result.label())], count);
    }
    // Checks are ordered, so equal ones stand side by side; a series stands on the page once.
    let mut last = None;
    for check in &source.checks {
        let is_problem = matches!(check.result, CheckResult::Warn | CheckResult::Error);
        if is_problem && last != Some(check) {
            let code = check.error_code.as_ref().map_or("unknown", ErrorCode::as_str);
            let further = [("check", &*check.name), ("result", check.result.label()), ("error_code", code)];
            sheet.push(Family::SourceCheckProblem, labels, &further, 1_u32);
        }
        last = Some(check);
    }
}

fn times(sheet: &mut Sheet, labels: &Labels, source: &Source) {
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::seconds);
    sheet.some(Family::SourceRegistered, labels, &[], seconds(source.registered));
    sheet.some(Family::SourceStateChanged, labels, &[], seconds(source.state_changed));
    sheet.some(Family::SourceStageChanged, labels, &[], seconds(source.stage_changed));
    sheet.some(Family::SourceConnectionChanged, labels, &[], seconds(source.connection_changed));
}

fn errors(sheet: &mut Sheet, base: &Labels, fleet: &Fleet) {
    let Some(errors) = &fleet.errors else { return };
    let told = errors.data.iter().filter_map(|error| {
        let id = error.source_id.as_ref()?;
        let listed = fleet.source(id).map(|source| &*source.name);
        let name = listed.or(error.source_name.as_deref()).unwrap_or_default();
        let (code, category) = code_labels(error.error_code.as_ref());
        Some((id.as_str(), name, code, category))
    });
    // One source may fail twice with the same code; a series stands on the page once, whatever it is called.
    let mut seen = BTreeSet::new();
    for (id, name, code, category) in told {
        if seen.insert((id, code)) {
            let labels = base.with(&[("source_id", id), ("source_name", name)]);
            sheet.push(
                Family::SourceErrorInfo,
                &labels,
                &[("error_code", code), ("category", category)],
                1_u32,
            );
        }
    }
}
