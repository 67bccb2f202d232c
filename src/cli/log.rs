//! How events are logged: to standard error, one line each, as text or JSON.

use std::fmt::{self, Write};
use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The modules of this program: the library and the binary.
const OURS: [&str; 2] = ["huaweicloud_sms_exporter", "sms_exporter"];

/// How events are logged.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Log")]
pub struct LogOptions {
    /// The least severe events that are logged: error, warn, info or debug
    #[arg(long = "log.level", id = "log.level", value_name = "LEVEL", global = true)]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Level::Info)]
    pub level: Level,
    /// How they are written, to standard error: text or json
    #[arg(long = "log.format", id = "log.format", value_name = "FORMAT", global = true)]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    pub format: Format,
}

/// Severity, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Something is lost.
    Error,
    /// Something failed and will be tried again.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs to standard error from now on; without effect where something logs already.
pub fn init(level: Level, format: Format) {
    let colour = io::stderr().is_terminal() && format == Format::Text;
    // Fails only where a subscriber is installed already, as in tests, and then that one stays.
    drop(subscriber(level, format, colour, io::stderr).try_init());
}

fn subscriber<W>(level: Level, format: Format, colour: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colour)
        .with_target(level == Level::Debug)
        .with_writer(writer);
    let layer = match format {
        Format::Text => lines.fmt_fields(fields()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    Registry::default().with(layer.with_filter(filter(level)))
}

/// Our own events from a level on; those of libraries for debugging alone, because what they fail at we tell in our
/// own words, and then from a warning on, because what they tell beyond it can hold headers, which hold secrets.
fn filter(level: Level) -> Targets {
    let ours = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let theirs = if level == Level::Debug { LevelFilter::WARN } else { LevelFilter::OFF };
    let targets = Targets::new().with_default(theirs);
    targets.with_targets(OURS.map(|target| (target, ours)))
}

/// Writes fields as `name=value`, with control characters escaped: a server's name may hold line
/// breaks and a terminal's commands, and no name shall forge a line.
fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    let one = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        if field.name() != "message" {
            write!(writer, "{field}=")?;
        }
        write!(Escaped(writer), "{value:?}")
    };
    format::debug_fn(one).delimited(" ")
}

/// A writer that escapes control characters.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if char.is_control() {
                write!(self.0, "{}", char.escape_default())?;
            } else {
                self.0.write_char(char)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Level, format: Format, log: impl FnOnce()) -> String {
        let shared = Shared::default();
        let writer = shared.clone();
        let subscriber = subscriber(level, format, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_its_values_hold() {
        for format in [Format::Text, Format::Json] {
            let name = "web\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J";
            let text = logged(Level::Info, format, || tracing::info!(%name, "Source\nregistered"));
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(text.ends_with('\n') && !text.contains(['\r', '\u{1b}']), "{text:?}");
        }
    }

    #[test]
    fn json_is_an_object_with_message_level_and_fields() {
        let text = logged(Level::Info, Format::Json, || tracing::warn!(reason = "timeout", "Poll failed"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["message"], &line["level"]), (&"Poll failed".into(), &"WARN".into()));
        assert_eq!(line["reason"], "timeout");
    }

    #[test]
    fn less_severe_events_are_left_out_and_libraries_tell_warnings_to_those_who_debug() {
        let log = || {
            tracing::debug!("ours");
            tracing::debug!(target: "hyper::proto", "authorization: secret");
            tracing::warn!(target: "hyper::proto", "theirs");
        };
        let debug = logged(Level::Debug, Format::Text, log);
        assert!(debug.contains("ours") && debug.contains("theirs") && !debug.contains("secret"), "{debug}");
        assert_eq!(logged(Level::Error, Format::Text, log), "");
        let error = || tracing::error!(target: "rustls_platform_verifier::verification", "theirs");
        assert_eq!(logged(Level::Info, Format::Text, error), "");
        assert!(logged(Level::Debug, Format::Text, error).contains("theirs"));
    }
}
