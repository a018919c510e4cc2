//! The AI queue, where names go that no virtual model has.

use std::sync::Arc;

use store::route::ai_queue;

use super::{Build, Target};
use crate::upstream::Upstream;

/// The AI queue, which takes names that no virtual model has.
#[derive(Debug)]
pub(super) struct Queue {
    upstream: Arc<Upstream>,
    build: Build,
}

impl Queue {
    /// The queue as configured; `before` is the one of the configuration before.
    pub(super) fn new(build: &Build, before: Option<&Self>) -> Option<Result<Self, String>> {
        let url = build.queue_url.as_deref()?;
        let upstream = match before {
            Some(known) => Ok(Arc::clone(&known.upstream)),
            None => {
                let endpoint = Arc::new(ai_queue::endpoint(url));
                Upstream::new(&endpoint, build.timeouts).map(Arc::new)
            }
        };
        Some(upstream.map(|upstream| Self {
            upstream,
            build: build.clone(),
        }))
    }

    /// Its endpoint.
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// A target for `name`; `None` for one that cannot stand in a header, or is no
    /// name any more by its length.
    pub(super) fn target(&self, name: &str) -> Option<Arc<Target>> {
        if !ai_queue::takes(name) {
            return None;
        }
        let model = Arc::new(ai_queue::passed_on(name));
        // One standing for all names, of which callers can make as many as they like.
        let standing = self.upstream.standing("", &[]);
        let target = Target::with_standing(&model, &self.upstream, &self.build, standing);
        target.ok().map(Arc::new)
    }
}
