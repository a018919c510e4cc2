//! Reading an object member by member, with the place of each for the caller.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

use super::super::request::BadRequest;

/// Where something is in the body. Written out only for a message.
#[derive(Clone, Copy)]
pub(crate) enum Place<'p> {
    /// The body itself.
    Body,
    /// A member of an object.
    Member(&'p Place<'p>, &'p str),
    /// An element of a list.
    Element(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(Self::Body, name) => f.write_str(name),
            Self::Member(of, name) => write!(f, "{of}.{name}"),
            Self::Element(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

impl Place<'_> {
    /// What stands here is refused; `wrong` follows its quoted name.
    pub(crate) fn refuse(&self, wrong: &str) -> BadRequest {
        let param = self.to_string();
        BadRequest {
            message: format!("'{param}' {wrong}"),
            param: Some(param),
        }
    }
}

/// The members of one object, each taken at most once.
pub(crate) struct Fields<'a, 'p> {
    place: &'p Place<'p>,
    list: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// The members of the object at `place`.
    pub(crate) fn read(raw: &'a RawValue, place: &'p Place<'p>) -> Result<Self, BadRequest> {
        let Ok(Members(list)) = serde_json::from_str(raw.get()) else {
            return Err(place.refuse("must be an object"));
        };
        Ok(Self { place, list })
    }

    /// The members of the object that `body` is.
    pub(crate) fn of_body(body: &'a [u8]) -> Result<Fields<'a, 'static>, BadRequest> {
        let wrong = |message: String| BadRequest {
            param: None,
            message,
        };
        let raw: &RawValue = serde_json::from_slice(body)
            .map_err(|err| wrong(format!("the request body is not valid JSON: {err}")))?;
        let Members(list) = serde_json::from_str(raw.get())
            .map_err(|_| wrong("the request body must be a JSON object".to_owned()))?;
        Ok(Fields {
            place: &Place::Body,
            list,
        })
    }

    /// The member `name` unless it is missing or `null`.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<&'a RawValue>, BadRequest> {
        let mut found = None;
        for (key, value) in &mut self.list {
            if key == name
                && let Some(raw) = value.take()
                && found.replace(raw).is_some()
            {
                return Err(self.wrong(name, "is given more than once"));
            }
        }
        Ok(found.filter(|raw| raw.get() != "null"))
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, BadRequest> {
        let raw = self.take(name)?;
        raw.map(|raw| text(raw, &Place::Member(self.place, name)))
            .transpose()
    }

    /// A text that must be there.
    pub(crate) fn needed_text(&mut self, name: &str) -> Result<String, BadRequest> {
        self.text(name)?
            .ok_or_else(|| self.wrong(name, "is required"))
    }

    /// A member that must be there.
    pub(crate) fn needed(&mut self, name: &str) -> Result<&'a RawValue, BadRequest> {
        self.take(name)?
            .ok_or_else(|| self.wrong(name, "is required"))
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        self.parsed(name, "must be true or false")
    }

    /// Any number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<Number>, BadRequest> {
        self.parsed(name, "must be a number")
    }

    /// A whole number that is not negative.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<u64>, BadRequest> {
        self.parsed(name, "must be a whole number, 0 or more")
    }

    /// The JSON text of an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<String>, BadRequest> {
        match self.take(name)? {
            Some(raw) if !raw.get().starts_with('{') => Err(self.wrong(name, "must be an object")),
            found => Ok(found.map(|raw| raw.get().to_owned())),
        }
    }

    /// The elements of a list.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<&'a RawValue>>, BadRequest> {
        self.parsed(name, "must be a list")
    }

    /// Names the places of what nobody took and is not `null`.
    pub(crate) fn leave(self, left_out: &mut LeftOut) {
        for (key, value) in self.list {
            if value.is_some_and(|raw| raw.get() != "null") {
                left_out.add(self.place, &key);
            }
        }
    }

    /// The member `name` is refused.
    pub(crate) fn wrong(&self, name: &str, wrong: &str) -> BadRequest {
        Place::Member(self.place, name).refuse(wrong)
    }

    fn parsed<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        wrong: &str,
    ) -> Result<Option<T>, BadRequest> {
        let raw = self.take(name)?;
        raw.map(|raw| serde_json::from_str(raw.get()).map_err(|_| self.wrong(name, wrong)))
            .transpose()
    }
}

/// The text at `place`.
pub(crate) fn text(raw: &RawValue, place: &Place<'_>) -> Result<String, BadRequest> {
    serde_json::from_str(raw.get()).map_err(|_| {
        place.refuse(if raw.get().starts_with('"') {
            "is not valid text: a \\u escape in it is half of a character"
        } else {
            "must be a string"
        })
    })
}

/// Fields of the caller that the hub has no place for.
#[derive(Default)]
pub(crate) struct LeftOut {
    /// Their places in order.
    places: Vec<String>,
}

impl LeftOut {
    /// Most places that are named. A conversation may repeat a field in each of a
    /// thousand messages, and these names end up in a log line and a header.
    const MOST: usize = 50;

    /// The member `name` of what is at `of` is left out.
    pub(crate) fn add(&mut self, of: &Place<'_>, name: &str) {
        if self.places.len() < Self::MOST {
            // A name that only the caller knows may be as long as the body.
            let shown = name
                .char_indices()
                .nth(64)
                .map_or(name, |(at, _)| &name[..at]);
            self.places.push(Place::Member(of, shown).to_string());
        }
    }

    pub(crate) fn into_places(self) -> Vec<String> {
        self.places
    }
}

/// An object's members in order, doubled ones included.
struct Members<'a>(Vec<(Cow<'a, str>, Option<&'a RawValue>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    list.push((key, Some(value)));
                }
                Ok(Members(list))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// A member's name, borrowed when it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
