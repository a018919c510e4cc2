//! A form (`multipart/form-data`, RFC 7578) while it passes: where its `model` part lies,
//! before or behind the files.
//!
//! Nothing is changed, and of the values only the model's is kept. Any split of the input
//! finds the same. What two readers could understand in two ways is refused, because the
//! next reader decides which model is called: other line ends than CRLF, a delimiter with
//! more text behind it, a part with two names, a second `model`.

mod head;

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use thiserror::Error;

/// Longest head of a part, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// Longest name of a model, in bytes.
const LONGEST_NAME: usize = 1024;
/// The most that RFC 2046 lets a boundary have.
const LONGEST_BOUNDARY: usize = 70;

/// Why a form is refused; always the caller's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// The header says no boundary, or none that can be one.
    #[error(
        "The content-type of the form names no boundary of 1 to 70 characters, or more than one."
    )]
    Boundary,
    /// Something else stands where the first part should begin.
    #[error("The form does not begin with the boundary that its content-type names.")]
    Beginning,
    /// A delimiter is not a line of its own that ends in CRLF.
    #[error("A boundary in the form does not stand alone on a line that ends in CRLF.")]
    Delimiter,
    /// A part's head cannot be read.
    #[error(
        "A part of the form does not say its name in one plain line 'Content-Disposition: form-data; name=\"...\"'."
    )]
    Head,
    /// There are two models.
    #[error("The form has more than one part with the name 'model'.")]
    SecondModel,
    /// The model's name is too long, no text, or encoded.
    #[error("The part 'model' is not a plain text of at most 1024 bytes.")]
    Model,
    /// It ends before its end.
    #[error("The form ends before its last boundary.")]
    Cut,
}

/// The model that a form names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// Its name, as it was sent.
    pub name: String,
    /// Where that lies, in bytes from the beginning of the form.
    pub at: Range<u64>,
}

/// Reads one form.
#[derive(Debug)]
pub struct Form {
    /// `--boundary`.
    mark: Vec<u8>,
    /// The same with the line feed before it.
    delimiter: Vec<u8>,
    state: State,
    /// What is not decided yet.
    pending: Vec<u8>,
    /// How many bytes came before those.
    at: u64,
    /// Where the first part's mark stands.
    begins: u64,
    model: Option<NamedModel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first mark.
    Beginning,
    /// Behind a mark.
    Marked,
    /// In the head of a part.
    Head,
    /// In the value of a part.
    Value {
        is_model: bool,
        /// Where it began.
        from: u64,
    },
    /// Behind the last mark.
    Over,
}

impl Form {
    /// Whether that `content-type` is a form's.
    #[must_use]
    pub fn is_form(content_type: &str) -> bool {
        let kind = content_type.split(';').next().unwrap_or("");
        kind.trim().eq_ignore_ascii_case("multipart/form-data")
    }

    /// A form with that `content-type`.
    ///
    /// # Errors
    /// When it names no boundary.
    pub fn new(content_type: &str) -> Result<Self, FormError> {
        let (_, parameters) = head::parameters(content_type).ok_or(FormError::Boundary)?;
        let mut named = parameters
            .into_iter()
            .filter(|(name, _)| name == "boundary");
        let (Some((_, boundary)), None) = (named.next(), named.next()) else {
            return Err(FormError::Boundary);
        };
        let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let can_be = boundary.bytes().all(is_plain)
            && (1..=LONGEST_BOUNDARY).contains(&boundary.len())
            && !boundary.ends_with(' ');
        if !can_be {
            return Err(FormError::Boundary);
        }
        Ok(Self {
            mark: format!("--{boundary}").into_bytes(),
            delimiter: format!("\n--{boundary}").into_bytes(),
            state: State::Beginning,
            pending: Vec::new(),
            at: 0,
            begins: 0,
            model: None,
        })
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// When the form is refused; then it must not be read on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut done = 0;
        loop {
            let rest = pending.get(done..).unwrap_or_default();
            let Some((taken, next)) = self.step(rest, self.at)? else {
                break;
            };
            done += taken;
            self.at += taken as u64;
            match next {
                Next::State(state) => self.state = state,
                Next::Model(model) => {
                    self.model = Some(model);
                    self.state = State::Marked;
                }
                Next::More => break,
            }
        }
        pending.drain(..done);
        self.pending = pending;
        Ok(())
    }

    /// The form has ended.
    ///
    /// # Errors
    /// When it has not: bytes are missing.
    pub fn finish(&self) -> Result<(), FormError> {
        match self.state {
            State::Over => Ok(()),
            State::Beginning | State::Marked | State::Head | State::Value { .. } => {
                Err(FormError::Cut)
            }
        }
    }

    /// The model, once it has been read.
    #[must_use]
    pub fn model(&self) -> Option<&NamedModel> {
        self.model.as_ref()
    }

    /// Where a part can be put in before all others, once the form has begun.
    #[must_use]
    pub fn beginning(&self) -> u64 {
        self.begins
    }

    /// A part that names `model`, to be put in there.
    #[must_use]
    pub fn model_part(&self, model: &str) -> Bytes {
        let mut part = self.mark.clone();
        part.extend_from_slice(b"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
        part.extend_from_slice(model.as_bytes());
        part.extend_from_slice(b"\r\n");
        part.into()
    }

    /// One step over `rest`, which begins `at`: how much of it is decided, and what comes
    /// next; `None` when more bytes decide.
    fn step(&mut self, rest: &[u8], at: u64) -> Result<Option<(usize, Next)>, FormError> {
        match self.state {
            State::Beginning => self.beginning_of(rest),
            State::Marked => marked(rest),
            State::Head => self.head(rest, at),
            State::Value { is_model, from } => self.value(rest, at, is_model, from),
            State::Over => Ok((!rest.is_empty()).then_some((rest.len(), Next::More))),
        }
    }

    fn beginning_of(&mut self, rest: &[u8]) -> Result<Option<(usize, Next)>, FormError> {
        // A line break before the first mark is usual where forms are nested in mail.
        let skipped = if rest.starts_with(b"\r\n") { 2 } else { 0 };
        let first = rest.get(skipped..).unwrap_or_default();
        if first.starts_with(&self.mark) {
            self.begins = skipped as u64;
            let taken = skipped + self.mark.len();
            return Ok(Some((taken, Next::State(State::Marked))));
        }
        let may_be = self.mark.starts_with(first) || (skipped == 0 && rest == b"\r");
        if may_be {
            Ok(None)
        } else {
            Err(FormError::Beginning)
        }
    }

    fn head(&self, rest: &[u8], at: u64) -> Result<Option<(usize, Next)>, FormError> {
        let Some(end) = memmem::find(rest, b"\r\n\r\n") else {
            if rest.len() > LONGEST_HEAD || rest.starts_with(b"\r\n") {
                return Err(FormError::Head);
            }
            return Ok(None);
        };
        if end > LONGEST_HEAD {
            return Err(FormError::Head);
        }
        let text = rest.get(..end).unwrap_or_default();
        let head = head::PartHead::read(text).ok_or(FormError::Head)?;
        let is_model = head.name == "model";
        if is_model && head.is_encoded {
            return Err(FormError::Model);
        }
        if is_model && self.model.is_some() {
            return Err(FormError::SecondModel);
        }
        let taken = end + 4;
        let from = at + taken as u64;
        let state = State::Value { is_model, from };
        Ok(Some((taken, Next::State(state))))
    }

    fn value(
        &self,
        rest: &[u8],
        at: u64,
        is_model: bool,
        from: u64,
    ) -> Result<Option<(usize, Next)>, FormError> {
        if at == from {
            // A mark in the place of a value: some would take it for one.
            if rest.starts_with(&self.mark) || rest.starts_with(&self.delimiter) {
                return Err(FormError::Delimiter);
            }
            if self.mark.starts_with(rest) || self.delimiter.starts_with(rest) {
                return Ok(None);
            }
        }
        let Some(line_feed) = memmem::find(rest, &self.delimiter) else {
            if is_model {
                return if rest.len() > LONGEST_NAME + self.delimiter.len() + 1 {
                    Err(FormError::Model)
                } else {
                    Ok(None)
                };
            }
            // What may be the beginning of a delimiter stays, with the byte before it.
            let taken = rest.len().saturating_sub(self.delimiter.len());
            return Ok((taken > 0).then_some((taken, Next::More)));
        };
        let Some(value) = rest
            .get(..line_feed)
            .and_then(|before| before.strip_suffix(b"\r"))
        else {
            return Err(FormError::Delimiter);
        };
        let taken = line_feed + self.delimiter.len();
        if !is_model {
            return Ok(Some((taken, Next::State(State::Marked))));
        }
        let name = str::from_utf8(value).map_err(|_| FormError::Model)?;
        if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(FormError::Model);
        }
        let model = NamedModel {
            name: name.to_owned(),
            at: from..from + value.len() as u64,
        };
        Ok(Some((taken, Next::Model(model))))
    }
}

/// What follows a step.
enum Next {
    /// Another state.
    State(State),
    /// The state stays until more bytes come.
    More,
    /// A model was named; its mark has been read.
    Model(NamedModel),
}

/// Behind a mark: the end of the form, or of the line.
fn marked(rest: &[u8]) -> Result<Option<(usize, Next)>, FormError> {
    match rest {
        [] | b"-" => Ok(None),
        [b'-', b'-', ..] => Ok(Some((2, Next::State(State::Over)))),
        _ => {
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            let padding = rest.iter().take_while(|byte| blank(byte)).count();
            match rest.get(padding..).unwrap_or_default() {
                [] | b"\r" if padding < LONGEST_HEAD => Ok(None),
                [b'\r', b'\n', ..] => Ok(Some((padding + 2, Next::State(State::Head)))),
                _ => Err(FormError::Delimiter),
            }
        }
    }
}

#[cfg(test)]
mod tests;
