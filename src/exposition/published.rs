//! The cell between those who make pages and those who serve them.

use super::Page;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// The page of the last poll. Clones share the cell; a reader never waits for a writer.
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<ArcSwapOption<Page>>);

impl Published {
    /// Replaces the page. Responses under way keep the one they began with.
    pub fn publish(&self, page: Page) {
        self.0.store(Some(Arc::new(page)));
    }

    /// The page published last; none before the first.
    pub fn latest(&self) -> Option<Arc<Page>> {
        self.0.load_full()
    }
}
