//! What gets in a server's way: errors, stops, and the way back from them.

use super::course::{Hazard, Next, Scene, TICK};
use super::random::{real, whole};
use super::world::{MigrationError, Text};

impl Scene<'_> {
    /// The mishap that waited: the task fails, the server is in error, the list of errors has an entry.
    pub(super) fn stumble(&mut self, state: &'static str, codes: &[&'static str]) -> Next {
        let code = *self.course.random.pick(codes);
        self.course.resume = self.course.stumbles_in.take().unwrap_or("initialize");
        let params = match code {
            "SMS.1302" => vec!["/mnt/vdb1".to_owned()],
            "SMS.2802" | "SMS.1807" => vec![self.source.ip.clone()],
            _ => Vec::new(),
        };
        let now = self.now;
        if let Some(task) = self.task.as_deref_mut() {
            task.state = state.into();
            task.error = Some((Text::Borrowed(code), params));
            task.migrate_speed = 0.0;
            task.estimate_complete_time = None;
            task.remain_seconds = None;
            let error = MigrationError {
                error_json: task.error_json(),
                host_name: self.source.hostname.clone(),
                name: self.source.name.clone(),
                source_id: self.source.id.clone(),
                source_ip: self.source.ip.clone(),
                target_ip: task.target.ip.clone(),
            };
            self.errors.insert(self.source.id.clone(), error);
            task.finish_date = Some(now);
        }
        self.enter("error");
        self.course.seconds(120, 500)
    }

    pub(super) fn retry(&mut self) -> Next {
        let state = self.task.as_ref().map(|task| task.state.clone()).unwrap_or_default();
        if state == "SYNC_FAIL" && self.course.meets(Hazard::Rollback) {
            self.task_enters("SYNC_F_ROLLBACKING");
            return self.course.seconds(20, 60);
        }
        if state == "SYNC_F_ROLLBACKING" {
            self.task_enters("SYNC_F_ROLLBACK_SUCCESS");
            return self.course.seconds(20, 60);
        }
        self.errors.remove(&self.source.id);
        if let Some(task) = self.task.as_deref_mut() {
            task.error = None;
            task.finish_date = None;
        }
        self.go_on()
    }

    /// Starts again where a stop or an error ended it; the first copy begins a little before that point.
    fn go_on(&mut self) -> Next {
        match self.course.resume {
            "syncing" => {
                self.enter("syncing");
                self.task_enters("SYNCING");
                // A new round of synchronisation counts from the beginning.
                self.source.replicatesize = 0;
                self.source.totalsize = self.course.random.between(1 << 28, 1 << 31);
            }
            "cutovering" => {
                self.enter("cutovering");
                self.task_enters("RUNNING");
            }
            _ => {
                self.enter("initialize");
                self.task_enters("RUNNING");
                let kept = self.course.random.real(0.9, 1.0);
                self.source.replicatesize = whole(real(self.source.replicatesize) * kept);
            }
        }
        Next::After(TICK)
    }

    pub(super) fn stop(&mut self) -> Next {
        self.enter("stopped");
        self.task_enters("ABORT");
        self.course.seconds(60, 300)
    }

    pub(super) fn restart(&mut self) -> Next {
        let reset = self.course.meets(Hazard::Reset);
        let Some(task) = self.task.as_deref_mut() else { return Next::After(TICK) };
        if reset && task.state == "ABORT" {
            task.state = "RESETING".into();
            return self.course.seconds(20, 40);
        }
        if task.state == "RESETING" {
            self.source.replicatesize = 0;
            for step in &mut task.sub_tasks {
                (step.progress, step.start_date, step.end_date) = (0, None, None);
            }
        }
        self.go_on()
    }
}
