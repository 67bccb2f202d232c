//! The two text formats of Prometheus and how a page is served for the price of a file.
//!
//! Text 0.0.4 and OpenMetrics 1.0 share their sample lines; only the header above a family's samples differs.
//! So a family ([`Desc`]) is two small headers and, for each account, one [`Block`] of samples. A block is deflated
//! once, when it is rendered, and ends in a full flush, so that a [`Page`] can answer a scrape by putting blocks
//! behind one another: gzip header, blocks, the exporter's own metrics, an empty final block, and a checksum that
//! is combined from the blocks' checksums. The result is one gzip member, valid for every client.
//!
//! ```text
//! Labels + Number --push--> Samples --seal--> Arc<Block> --+
//!                                    (kept if unchanged)   +--> Page --respond--> Body
//! Desc --------------------------------------- headers ----+      ^
//!                             prometheus-client's text --- own ---+
//! ```
//!
//! This room knows no migration and imports none of ours.

mod accept;
mod block;
mod body;
mod deflate;
mod header;
mod labels;
mod number;
pub mod own;
mod page;
mod published;
mod samples;
mod text;

#[cfg(test)]
mod tests;

pub use accept::{Encoding, Format, negotiate};
pub use block::{Block, Sealer};
pub use body::Body;
pub use deflate::DEFAULT_LEVEL;
pub use labels::Labels;
pub use number::Number;
pub use page::{Page, Select};
pub use published::Published;
pub use samples::Samples;
pub use text::{Part, Stretch};

/// What kind of value a family's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A value that only goes up; its samples end in `_total`.
    Counter,
    /// Facts as labels with the value 1; its samples end in `_info`. Text 0.0.4 knows it as a gauge.
    Info,
    /// Observations in buckets; only prometheus-client writes one, for the exporter's own metrics.
    Histogram,
}

/// The description of a family: all that stands in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desc {
    /// The full name of the samples: that of a counter ends in `_total`, that of an info in `_info`.
    pub name: &'static str,
    /// One sentence that says what is counted.
    pub help: &'static str,
    /// The base unit, for example `bytes`; OpenMetrics shows it where the family's name ends in it.
    pub unit: Option<&'static str>,
    /// The kind of the samples.
    pub kind: Kind,
}
