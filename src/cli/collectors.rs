//! `--collector.<name>` and `--no-collector.<name>`, one pair for each collector.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::model::Collector;

/// Collectors that were switched on or off; of two contrary flags the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorFlags(Vec<(Collector, bool)>);

/// The words for a collector.
struct Words {
    on: &'static str,
    off: &'static str,
    help: &'static str,
}

impl CollectorFlags {
    /// Each collector that was named, and whether it is to be on.
    #[must_use]
    pub fn switched(&self) -> &[(Collector, bool)] {
        &self.0
    }
}

/// By hand rather than derived, so that no collector can be forgotten.
impl Args for CollectorFlags {
    fn augment_args(command: Command) -> Command {
        let command =
            command.next_help_heading("Collectors (all are on; --no-collector.<NAME> switches one off)");
        Collector::ALL.into_iter().map(words).fold(command, |command, words| {
            let on = switch(words.on, words.off).help(words.help);
            command.arg(on).arg(switch(words.off, words.on).help("Switch it off").hide(true))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CollectorFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let switched = |collector| {
            let Words { on, off, .. } = words(collector);
            let said = [(on, true), (off, false)].into_iter().find(|(flag, _)| matches.get_flag(flag));
            said.map(|(_, on)| (collector, on))
        };
        Ok(Self(Collector::ALL.into_iter().filter_map(switched).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn switch(name: &'static str, contrary: &'static str) -> Arg {
    Arg::new(name).long(name).overrides_with(contrary).action(ArgAction::SetTrue).global(true)
}

fn words(collector: Collector) -> Words {
    let (on, off, help) = match collector {
        Collector::Sources => ("collector.sources", "no-collector.sources", "Read the source servers"),
        Collector::Tasks => ("collector.tasks", "no-collector.tasks", "Read the migration tasks"),
        Collector::Overview => {
            ("collector.overview", "no-collector.overview", "Read the service's own counts of servers")
        }
        Collector::Errors => ("collector.errors", "no-collector.errors", "Read the list of migration errors"),
        Collector::SpeedLimits => (
            "collector.speed_limits",
            "no-collector.speed_limits",
            "Read the speed limits of tasks that copy",
        ),
        Collector::Consistency => {
            ("collector.consistency", "no-collector.consistency", "Read the results of consistency checks")
        }
    };
    Words { on, off, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_after_the_collectors_label() {
        for collector in Collector::ALL {
            let Words { on, off, .. } = words(collector);
            assert_eq!(on, format!("collector.{}", collector.label()));
            assert_eq!(off, format!("no-{on}"));
        }
    }
}
