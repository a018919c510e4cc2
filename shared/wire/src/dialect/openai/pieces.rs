//! Which call the pieces of calls in a stream belong to.
//!
//! Servers number their calls from 0, from 1, all the same or not at all, and give each
//! an id, all of them one, every piece another, or none. A piece belongs to the call that
//! the most reliable of what it says names.

mod extent;

use extent::Extent;

/// More calls than any model makes at once; beyond it the stream is broken.
pub(super) const MOST_CALLS: usize = 1024;

/// The calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    calls: Vec<Call>,
}

/// What is known of one call.
#[derive(Debug)]
struct Call {
    place: Place,
    id: String,
    name: String,
    arguments: Extent,
}

/// One piece as it came.
#[derive(Clone, Copy)]
pub(super) struct Piece<'p> {
    pub(super) place: Place,
    /// Among the pieces of its delta, when there are several.
    pub(super) position: Option<usize>,
    /// Calls that had begun before its delta.
    pub(super) begun: usize,
    /// It is a call of its own, whatever is said of it.
    pub(super) whole: bool,
    pub(super) id: &'p str,
    pub(super) name: &'p str,
    /// Text of the arguments.
    pub(super) text: &'p str,
}

/// How a server says which call a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By number, from 0 or from 1.
    Index(i64),
    /// Not at all.
    Unsaid,
    /// `function_call`, of which there is one.
    Legacy,
}

/// Where a piece belongs.
#[derive(Clone, Copy)]
pub(super) struct Taken<'p> {
    /// The call, in the order in which their first pieces came.
    pub(super) at: usize,
    /// Whether the piece gives the call its name.
    pub(super) names: bool,
    /// The piece's arguments without the blanks before their beginning.
    pub(super) text: &'p str,
}

impl Pieces {
    /// Calls that have begun.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The call's id, as far as it has come; that of another call that has a name is none.
    pub(super) fn id(&self, at: usize) -> &str {
        let Some(call) = self.calls.get(at) else {
            return "";
        };
        let mut others = self.calls.iter().enumerate();
        let is_taken =
            others.any(|(place, other)| place != at && other.is_named() && other.id == call.id);
        if is_taken { "" } else { &call.id }
    }

    /// Whether anything but blanks has come of a call's arguments.
    pub(super) fn has_arguments(&self, at: usize) -> bool {
        self.calls
            .get(at)
            .is_some_and(|call| call.arguments.has_begun())
    }

    /// Takes the next piece; `None` when it is of one call too many.
    pub(super) fn take<'p>(&mut self, piece: &Piece<'p>) -> Option<Taken<'p>> {
        let at = match self.belongs_to(piece) {
            Some(at) => at,
            None if self.calls.len() < MOST_CALLS => {
                self.calls.push(Call::at(piece.place));
                self.calls.len() - 1
            }
            None => return None,
        };
        let call = self.calls.get_mut(at)?;
        if !call.is_named() && call.id.is_empty() {
            piece.id.clone_into(&mut call.id);
        }
        let names = !call.is_named() && !piece.name.is_empty();
        if names {
            piece.name.clone_into(&mut call.name);
        }
        Some(Taken {
            at,
            names,
            text: call.arguments.take(piece.text),
        })
    }

    /// Which call a piece goes on with; `None` when it begins one.
    fn belongs_to(&self, piece: &Piece<'_>) -> Option<usize> {
        if piece.whole {
            return None;
        }
        let last = self.calls.len().checked_sub(1);
        match piece.place {
            Place::Index(_) | Place::Legacy => {
                let same = |call: &Call| call.place == piece.place;
                let at = self.calls.iter().rposition(same)?;
                (!self.calls[at].is_other(piece)).then_some(at)
            }
            Place::Unsaid if !piece.id.is_empty() => {
                let Some(same) = self.calls.iter().rposition(|call| call.id == piece.id) else {
                    // An id that changes with every piece names no new call.
                    return last.filter(|_| piece.name.is_empty());
                };
                // Some servers give all calls one id. Within a delta, and with another
                // name, a piece that has a name is another call's.
                let known = &self.calls[same].name;
                let is_other = !piece.name.is_empty()
                    && !known.is_empty()
                    && (same >= piece.begun || piece.name != known);
                (!is_other).then_some(same)
            }
            Place::Unsaid if !piece.name.is_empty() => {
                last.filter(|last| self.calls[*last].name.is_empty())
            }
            Place::Unsaid => piece.position.filter(|at| *at < self.calls.len()).or(last),
        }
    }
}

impl Call {
    fn at(place: Place) -> Self {
        Self {
            place,
            id: String::new(),
            name: String::new(),
            arguments: Extent::default(),
        }
    }

    fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// Whether a piece at this call's place is of another call: some servers number
    /// all calls 0. Only a piece with a name can begin a call.
    fn is_other(&self, piece: &Piece<'_>) -> bool {
        if piece.name.is_empty() || self.name.is_empty() {
            return false;
        }
        if !piece.id.is_empty() && !self.id.is_empty() {
            return piece.id != self.id;
        }
        piece.name != self.name || (self.arguments.is_complete() && !piece.text.trim().is_empty())
    }
}
