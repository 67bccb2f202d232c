//! All families of one poll, ready to be sent in either format and encoding.

use super::accept::{Encoding, Format};
use super::block::Block;
use super::body::Body;
use super::deflate::{Checksum, DEFAULT_LEVEL, Deflater, FINAL_BLOCK, GZIP_HEADER, length};
use super::{Desc, header, own};
use bytes::Bytes;
use std::sync::Arc;

/// What one poll has to say. Immutable; scrapes share its blocks.
#[derive(Debug, Default)]
pub struct Page {
    families: Vec<Family>,
}

/// Chooses families by the name of their samples; `true` keeps one.
pub type Select<'a> = &'a dyn Fn(&str) -> bool;

#[derive(Debug)]
struct Family {
    desc: &'static Desc,
    text: Header,
    open: Header,
    blocks: Vec<Arc<Block>>,
}

#[derive(Debug)]
struct Header {
    plain: Bytes,
    deflated: Bytes,
    checksum: Checksum,
}

impl Page {
    /// A page of these families, in this order, each with one block for each account.
    ///
    /// Families without samples are left out, and blocks of a description that comes twice are put together,
    /// because a family that stands on a page twice costs the whole scrape.
    pub fn new(families: Vec<(&'static Desc, Vec<Arc<Block>>)>) -> Self {
        let mut deflater = Deflater::new(DEFAULT_LEVEL);
        let mut page = Self::default();
        for (desc, mut blocks) in families {
            blocks.retain(|block| block.series() > 0);
            if blocks.is_empty() {
                continue;
            }
            match page.families.iter_mut().find(|family| family.desc.name == desc.name) {
                Some(family) => family.blocks.append(&mut blocks),
                None => page.families.push(Family::new(desc, blocks, &mut deflater)),
            }
        }
        page
    }

    /// The page in this format and encoding, with the exporter's own metrics at its end.
    ///
    /// `own` is what prometheus-client wrote: OpenMetrics text. It is there whatever `select` says, as with
    /// Prometheus' own exporters.
    pub fn respond(&self, format: Format, encoding: Encoding, own: &str, select: Option<Select<'_>>) -> Body {
        let own = match format {
            Format::Text004 => own::text004(own),
            Format::OpenMetrics100 => own::openmetrics(own),
        };
        let families =
            self.families.iter().filter(|family| select.is_none_or(|keeps| keeps(family.desc.name)));
        match encoding {
            Encoding::Identity => identity(families, format, own),
            Encoding::Gzip => gzip(families, format, own),
        }
    }

    /// How many series each family has, in the page's order.
    pub fn series(&self) -> impl Iterator<Item = (&'static Desc, usize)> {
        self.families.iter().map(|family| (family.desc, family.series()))
    }

    /// Bytes of the families in text 0.0.4, without the exporter's own metrics.
    pub fn length(&self, encoding: Encoding) -> u64 {
        self.families.iter().map(|family| family.length(encoding)).sum()
    }
}

impl Family {
    fn new(desc: &'static Desc, blocks: Vec<Arc<Block>>, deflater: &mut Deflater) -> Self {
        let text = Header::new(header::header(desc, Format::Text004), deflater);
        let open = Header::new(header::header(desc, Format::OpenMetrics100), deflater);
        Self { desc, text, open, blocks }
    }

    fn header(&self, format: Format) -> &Header {
        match format {
            Format::Text004 => &self.text,
            Format::OpenMetrics100 => &self.open,
        }
    }

    fn series(&self) -> usize {
        self.blocks.iter().map(|block| block.series()).sum()
    }

    fn length(&self, encoding: Encoding) -> u64 {
        match encoding {
            Encoding::Identity => {
                self.text.checksum.length() + self.blocks.iter().map(|block| block.length()).sum::<u64>()
            }
            Encoding::Gzip => {
                let blocks = self.blocks.iter().map(|block| length(block.deflated()));
                length(&self.text.deflated) + blocks.sum::<u64>()
            }
        }
    }
}

impl Header {
    fn new(text: String, deflater: &mut Deflater) -> Self {
        let checksum = Checksum::of(text.as_bytes());
        Self { deflated: deflater.deflate(text.as_bytes()), plain: Bytes::from(text), checksum }
    }
}

fn identity<'a>(families: impl Iterator<Item = &'a Family>, format: Format, own: String) -> Body {
    let mut body = Body::default();
    for family in families {
        body.push(family.header(format).plain.clone());
        for block in &family.blocks {
            body.push_text(block.identity().clone());
        }
    }
    body.push(Bytes::from(own));
    body
}

fn gzip<'a>(families: impl Iterator<Item = &'a Family>, format: Format, own: String) -> Body {
    let mut body = Body::default();
    let mut total = Checksum::default();
    body.push(Bytes::from_static(GZIP_HEADER));
    for family in families {
        let header = family.header(format);
        body.push(header.deflated.clone());
        total.append(&header.checksum);
        for block in &family.blocks {
            body.push(block.deflated().clone());
            total.append(block.checksum());
        }
    }
    body.push(Deflater::new(DEFAULT_LEVEL).deflate(own.as_bytes()));
    total.append(&Checksum::of(own.as_bytes()));
    body.push(Bytes::from_static(FINAL_BLOCK));
    body.push(Bytes::copy_from_slice(&total.gzip_trailer()));
    body
}
