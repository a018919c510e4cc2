//! A form that is passed on: what has come of it is kept until the model's name is known,
//! the rest goes through.
//!
//! Up to [`MEMORY`] is kept in memory, what lies behind that in a file without a name, which
//! is gone with the call. A form that ends in what is kept can be sent again; of a longer
//! one the rest is sent as it comes, once.

mod kept;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType};
use store::route::Refused;
use tokio::sync::{Mutex, mpsc};
use wire::form::Form;

use super::accept;
use super::send::{Feed, hung_up};
use crate::fault::Fault;
use kept::Kept;

/// Bytes of a form that are kept in memory.
const MEMORY: usize = 1024 * 1024;
/// Bytes that are read of a file at once.
const PIECE: usize = 256 * 1024;

/// A form on its way.
pub(super) struct Cargo {
    content_type: HeaderValue,
    kept: Kept,
    place: Place,
    /// What is still with the caller.
    rest: Option<Rest>,
    /// Bytes of the whole form, as it came; `None` while nobody knows.
    length: Option<u64>,
}

/// Where the model's name goes.
enum Place {
    /// There stands the one that the caller named.
    Named { model: String, at: Range<u64> },
    /// The caller named none: a part of its own goes before all others.
    Before(Form),
}

/// The rest of a form, which comes once.
struct Rest {
    pieces: Mutex<mpsc::Receiver<Bytes>>,
    is_spent: AtomicBool,
}

/// What brings the rest from the caller, and looks at it on the way.
pub(super) struct Ferry {
    /// What is looked at: a form, or nothing.
    form: Option<Form>,
    pieces: mpsc::Sender<Bytes>,
    /// Bytes that have come, of those allowed.
    come: u64,
    limit: usize,
}

impl Cargo {
    /// Reads the form of `caller` until its model is known and memory is full, or to its end.
    ///
    /// # Errors
    /// When it is none, too long or cut off.
    pub(super) async fn take_in(
        caller: &mut ServerSession,
        content_type: HeaderValue,
        announced: Option<usize>,
        (limit, folder): (usize, &Path),
        silence: Duration,
    ) -> Result<(Self, Option<Ferry>), Fault> {
        let mut form = Form::new(content_type.to_str().unwrap_or(""))?;
        let mut kept = Kept::new(folder);
        loop {
            let Some(piece) = next(caller, silence).await? else {
                form.finish()?;
                let length = Some(kept.length());
                let place = match form.model() {
                    Some(found) => Place::Named {
                        model: found.name.clone(),
                        at: found.at.clone(),
                    },
                    None => Place::Before(form),
                };
                let cargo = Self {
                    content_type,
                    kept,
                    place,
                    rest: None,
                    length,
                };
                return Ok((cargo, None));
            };
            let come = kept.length() + piece.len() as u64;
            if come > limit as u64 {
                return Err(Refused::too_long(limit).into());
            }
            form.push(&piece)?;
            kept.add(piece).await.map_err(|err| {
                Fault::internal(format!("a form cannot be kept in a file: {err}"))
            })?;
            // A form that is over is kept whole: nothing of it is with the caller.
            let may_go = kept.is_full() && form.finish().is_err();
            let Some(found) = form.model().filter(|_| may_go) else {
                continue;
            };
            let place = Place::Named {
                model: found.name.clone(),
                at: found.at.clone(),
            };
            let (sender, receiver) = mpsc::channel(1);
            let cargo = Self {
                content_type,
                kept,
                place,
                rest: Some(Rest {
                    pieces: Mutex::new(receiver),
                    is_spent: AtomicBool::new(false),
                }),
                length: announced.map(|length| length as u64),
            };
            let ferry = Ferry {
                form: Some(form),
                pieces: sender,
                come,
                limit,
            };
            return Ok((cargo, Some(ferry)));
        }
    }

    /// The model that the caller names.
    pub(super) fn model(&self) -> Option<&str> {
        match &self.place {
            Place::Named { model, .. } => Some(model),
            Place::Before(_) => None,
        }
    }

    /// The caller's `content-type`, which names the boundary.
    pub(super) fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// Whether a part of it is still with the caller.
    pub(super) fn flows(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether it cannot be sent again: some of it went to an upstream and is not here.
    pub(super) fn is_spent(&self) -> bool {
        let spent = |rest: &Rest| rest.is_spent.load(Ordering::Relaxed);
        self.rest.as_ref().is_some_and(spent)
    }

    /// The form for the upstream's `model`, from its beginning.
    pub(super) fn load(&self, model: &str) -> Load<'_> {
        let (text, at) = match &self.place {
            Place::Named { at, .. } => (Bytes::from(model.to_owned()), at.clone()),
            Place::Before(form) => {
                let at = form.beginning();
                (form.model_part(model), at..at)
            }
        };
        Load {
            cargo: self,
            text,
            instead: at,
            at: 0,
            is_named: false,
        }
    }
}

/// The form as one upstream gets it.
pub(super) struct Load<'c> {
    cargo: &'c Cargo,
    /// What stands in the place of the bytes at `instead`.
    text: Bytes,
    instead: Range<u64>,
    at: u64,
    is_named: bool,
}

impl Load<'_> {
    /// Its length in bytes; `None` when the caller does not tell.
    pub(super) fn length(&self) -> Option<u64> {
        let cut = self.instead.end - self.instead.start;
        let length = self.cargo.length?;
        Some(length.saturating_sub(cut) + self.text.len() as u64)
    }
}

#[async_trait]
impl Feed for Load<'_> {
    async fn next(&mut self) -> pingora::Result<Option<Bytes>> {
        let kept = &self.cargo.kept;
        if !self.is_named && self.at == self.instead.start {
            self.is_named = true;
            self.at = self.instead.end;
            if !self.text.is_empty() {
                return Ok(Some(self.text.clone()));
            }
        }
        let end = if self.is_named {
            kept.length()
        } else {
            self.instead.start
        };
        if self.at < end {
            let most = usize::try_from(end - self.at).unwrap_or(PIECE).min(PIECE);
            let piece = kept.piece(self.at, most).await.map_err(unread)?;
            self.at += piece.len() as u64;
            return Ok(Some(piece));
        }
        let Some(rest) = &self.cargo.rest else {
            return Ok(None);
        };
        let piece = rest.pieces.lock().await.recv().await;
        if piece.is_some() {
            rest.is_spent.store(true, Ordering::Relaxed);
        }
        Ok(piece)
    }
}

fn unread(error: io::Error) -> Box<Error> {
    let what = "a form that was kept in a file";
    Error::because(ErrorType::FileReadError, what, error)
}

impl Ferry {
    /// Brings a body of any length that is not looked at.
    pub(super) fn plain(pieces: mpsc::Sender<Bytes>) -> Self {
        Self {
            form: None,
            pieces,
            come: 0,
            limit: usize::MAX,
        }
    }

    /// Brings the rest of the form as fast as it is taken. Nobody waits for the end of it
    /// when it fails: the call is over.
    ///
    /// # Errors
    /// When the form is none, too long, or the caller leaves.
    async fn bring(mut self, caller: &mut ServerSession, silence: Duration) -> Result<(), Fault> {
        while let Ok(room) = self.pieces.reserve().await {
            let Some(piece) = next(caller, silence).await? else {
                return match &self.form {
                    Some(form) => Ok(form.finish()?),
                    None => Ok(()),
                };
            };
            self.come += piece.len() as u64;
            if self.come > self.limit as u64 {
                return Err(Refused::too_long(self.limit).into());
            }
            if let Some(form) = &mut self.form {
                form.push(&piece)?;
            }
            room.send(piece);
        }
        Ok(())
    }
}

/// Stays with `caller` while its call is worked on: brings what it still has, then waits for
/// it to leave. Completes with why the call is over.
pub(super) async fn attend(
    ferry: Option<Ferry>,
    caller: &mut ServerSession,
    silence: Duration,
) -> Fault {
    if let Some(ferry) = ferry
        && let Err(fault) = ferry.bring(caller, silence).await
    {
        return fault;
    }
    hung_up(caller).await;
    Fault::hung_up()
}

/// The next bytes of the caller's body.
async fn next(caller: &mut ServerSession, silence: Duration) -> Result<Option<Bytes>, Fault> {
    let read = pingora::time::timeout(silence, accept::piece(caller)).await;
    read.unwrap_or_else(|_| Err(Fault::slow_body()))
}
