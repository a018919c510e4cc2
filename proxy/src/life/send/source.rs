//! Where an answer comes from: one HTTP response, or a job that is followed.

use bytes::Bytes;

use super::exchange::{Piece, Sent};
use super::job::Job;
use crate::fault::Fault;

/// The source of a streamed answer.
pub(in super::super) enum Source {
    Http(Sent),
    /// Boxed: most answers are no jobs.
    Job(Box<Job>),
}

/// What the upstream tells of a call besides its answer, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Times {
    /// It waited for a worker.
    pub(in super::super) queue: Option<u64>,
    /// A worker worked on it.
    pub(in super::super) execution: Option<u64>,
}

impl Source {
    /// The next bytes; of a job the next output of its worker, whole. `None` at the
    /// end.
    ///
    /// # Errors
    /// When the connection breaks or is silent for too long.
    pub(in super::super) async fn read(&mut self) -> pingora::Result<Option<Piece<'_>>> {
        match self {
            Self::Http(sent) => sent.read().await,
            Self::Job(job) => {
                let output: Option<Bytes> = Box::pin(job.next()).await;
                Ok(output.map(Piece::Owned))
            }
        }
    }

    /// Why a job ended without its answer, told once, after the end.
    pub(in super::super) fn take_fault(&mut self) -> Option<Fault> {
        match self {
            Self::Http(_) => None,
            Self::Job(job) => job.take_fault(),
        }
    }

    /// Whether nothing more can become known of it once its answer is complete.
    pub(in super::super) fn is_over(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Job(job) => job.is_over(),
        }
    }

    /// What is known of times by now.
    pub(in super::super) fn times(&self) -> Times {
        match self {
            Self::Http(_) => Times::default(),
            Self::Job(job) => job.times(),
        }
    }
}
