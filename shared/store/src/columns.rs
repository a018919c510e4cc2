//! Reads the columns of a row that may have been written by another program.
//!
//! SQLite keeps whatever type was put into a column, so nothing is taken for granted: a
//! number kept as text is read as a number, and a value that makes no sense becomes a fault
//! of its row instead of a failure of the whole query.

use std::collections::HashMap;

use rusqlite::Row;
use rusqlite::types::ValueRef;

/// A row being read, and what was found wrong with it so far.
pub(crate) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    /// Where a column is. The row itself would look at the name of each for every one.
    places: HashMap<&'r str, usize>,
    /// Reasons, each naming its column.
    pub(crate) faults: Vec<String>,
}

impl<'r, 's> Columns<'r, 's> {
    /// Begins to read `row`.
    pub(crate) fn new(row: &'r Row<'s>) -> Self {
        let names = row.as_ref().column_names().into_iter();
        Self {
            row,
            places: names
                .enumerate()
                .rev()
                .map(|(at, name)| (name, at))
                .collect(),
            faults: Vec::new(),
        }
    }

    /// Text; `None` for NULL and for blank text.
    pub(crate) fn text(&mut self, column: &'static str) -> Option<String> {
        let text = match self.value(column)? {
            ValueRef::Null => return None,
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(bytes) => match str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => return self.fault(column, "is not UTF-8 text"),
            },
            ValueRef::Blob(_) => return self.fault(column, "holds bytes instead of text"),
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// A whole number; `None` for NULL and for blank text.
    pub(crate) fn whole(&mut self, column: &'static str) -> Option<i64> {
        let number = self.real(column)?;
        // Beyond 2^53 a float no longer holds every whole number; no column comes near.
        if number.fract() != 0.0 || number.abs() > 9_007_199_254_740_992.0 {
            return self.fault(column, "is not a whole number");
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and small just above"
        )]
        Some(number as i64)
    }

    /// A finite number; `None` for NULL and for blank text.
    pub(crate) fn real(&mut self, column: &'static str) -> Option<f64> {
        let number = match self.value(column)? {
            ValueRef::Null => return None,
            #[expect(
                clippy::cast_precision_loss,
                reason = "prices, limits and unix seconds are far below 2^53"
            )]
            ValueRef::Integer(number) => number as f64,
            ValueRef::Real(number) => number,
            ValueRef::Text(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                if text.trim().is_empty() {
                    return None;
                }
                match text.trim().parse() {
                    Ok(number) => number,
                    Err(_) => return self.fault(column, "is not a number"),
                }
            }
            ValueRef::Blob(_) => return self.fault(column, "holds bytes instead of a number"),
        };
        if number.is_finite() {
            Some(number)
        } else {
            self.fault(column, "is not a finite number")
        }
    }

    /// A 0/1 flag; `default` for NULL.
    pub(crate) fn flag(&mut self, column: &'static str, default: bool) -> bool {
        self.whole(column).map_or(default, |number| number != 0)
    }

    /// The row's id.
    pub(crate) fn id(&self) -> rusqlite::Result<i64> {
        self.row.get("id")
    }

    fn value(&mut self, column: &'static str) -> Option<ValueRef<'r>> {
        let place = self.places.get(column);
        match place.and_then(|at| self.row.get_ref(*at).ok()) {
            Some(value) => Some(value),
            None => self.fault(column, "is missing"),
        }
    }

    fn fault<T>(&mut self, column: &str, why: &str) -> Option<T> {
        self.faults.push(format!("{column} {why}"));
        None
    }
}
