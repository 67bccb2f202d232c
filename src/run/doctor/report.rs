//! What an examination found, and how it is told.

use std::fmt;

use crate::config::Region;
use crate::model::AccountName;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Well,
    /// It works, and could fail later.
    Doubtful,
    /// It does not work.
    Failed,
    /// It was not tried.
    Skipped,
}

impl Verdict {
    const fn mark(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Doubtful => "note",
            Self::Failed => "FAIL",
            Self::Skipped => "skip",
        }
    }
}

/// One step of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How it went.
    pub verdict: Verdict,
    /// What was examined, in a word or two.
    pub subject: String,
    /// What was found.
    pub finding: String,
    /// What to do about it; only where something is to be done.
    pub advice: Option<String>,
}

/// What the examination of one account found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    account: AccountName,
    region: Region,
    steps: Vec<Step>,
}

impl Diagnosis {
    pub(super) fn new(account: &AccountName, region: &Region) -> Self {
        Self { account: account.clone(), region: region.clone(), steps: Vec::new() }
    }

    /// The steps in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether no step failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.steps.iter().all(|step| step.verdict != Verdict::Failed)
    }

    pub(super) fn well(&mut self, subject: &str, finding: impl Into<String>) {
        self.add(Verdict::Well, subject, finding.into(), None);
    }

    pub(super) fn skip(&mut self, subject: &str, finding: impl Into<String>) {
        self.add(Verdict::Skipped, subject, finding.into(), None);
    }

    pub(super) fn doubt(&mut self, subject: &str, finding: impl Into<String>, advice: &str) {
        self.add(Verdict::Doubtful, subject, finding.into(), Some(advice));
    }

    pub(super) fn fail(&mut self, subject: &str, finding: impl Into<String>, advice: &str) {
        self.add(Verdict::Failed, subject, finding.into(), Some(advice));
    }

    fn add(&mut self, verdict: Verdict, subject: &str, finding: String, advice: Option<&str>) {
        let (subject, advice) = (subject.to_owned(), advice.map(str::to_owned));
        self.steps.push(Step { verdict, subject, finding, advice });
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, subject, finding, advice } = self;
        write!(f, "  {:<4}  {subject}: {finding}", verdict.mark())?;
        advice.as_ref().map_or(Ok(()), |advice| write!(f, "\n        what to do: {advice}"))
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account {:?}, region {}", self.account.as_str(), self.region)?;
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        let end =
            if self.is_well() { "all is well" } else { "not well: mend the first FAIL, then ask again" };
        write!(f, "  {end}")
    }
}
