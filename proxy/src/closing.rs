//! What has to be ended at other places before the program ends.
//!
//! A job at a RunPod endpoint runs on, and is paid for, when the program that follows it
//! is gone. Who follows one waits for [`Closing::told`] beside its work; the request that
//! cancels it is counted until it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Shared by who ends the program and who has something to end before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    told: watch::Sender<bool>,
    under_way: AtomicUsize,
}

impl Closing {
    /// Tells everybody who waits for it, now and later.
    pub(crate) fn tell(&self) {
        self.0.told.send_replace(true);
    }

    /// Completes when the program is about to end.
    pub(crate) async fn told(&self) {
        let mut told = self.0.told.subscribe();
        if told.wait_for(|told| *told).await.is_err() {
            // The sender lives as long as this does.
            std::future::pending::<()>().await;
        }
    }

    /// Something has to be ended first; it is until the guard is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// How much that is.
    pub(crate) fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::Relaxed)
    }
}

/// Something that the end of the program waits for a moment.
#[derive(Debug)]
pub(crate) struct UnderWay(Closing);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
