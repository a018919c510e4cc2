//! Values of any type, read as what they can mean: nothing fails only because one
//! member of a server's answer is of another type than every other server's.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A string; numbers read as their digits, anything else as nothing.
#[derive(Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A whole number, as far as it is one.
#[derive(Clone, Copy, Default)]
pub(super) struct Whole(pub(super) Option<i64>);

/// A list of objects; what is no object, or no list, is left out.
pub(super) struct List<T>(pub(super) Vec<T>);

/// An object, as far as it is one.
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// What a value of any type reads as; each reader says which types mean something.
pub(super) trait Reading<'de>: Sized {
    fn nothing() -> Self;

    fn borrowed(_: &'de str) -> Self {
        Self::nothing()
    }

    fn owned(_: &str) -> Self {
        Self::nothing()
    }

    fn whole(_: i64) -> Self {
        Self::nothing()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::nothing())
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::nothing())
    }
}

/// For implementing `Deserialize`: any value as `T` reads it.
pub(super) fn read<'de, T: Reading<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Any(PhantomData))
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Reading<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::owned(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::nothing(), T::whole))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::whole(number))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates; a second's fraction does not matter"
    )]
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::whole(number as i64))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::nothing())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::nothing())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

impl<'a, 'de: 'a> Reading<'de> for Text<'a> {
    fn nothing() -> Self {
        Self::default()
    }

    fn borrowed(text: &'de str) -> Self {
        Self(Cow::Borrowed(text))
    }

    fn owned(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    fn whole(number: i64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl Reading<'_> for Whole {
    fn nothing() -> Self {
        Self(None)
    }

    fn whole(number: i64) -> Self {
        Self(Some(number))
    }
}

impl<'de, T: Deserialize<'de>> Reading<'de> for Maybe<T> {
    fn nothing() -> Self {
        Self(None)
    }

    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|read| Self(Some(read)))
    }
}

impl<'de, T: Deserialize<'de>> Reading<'de> for List<T> {
    fn nothing() -> Self {
        Self(Vec::new())
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut read = Vec::new();
        while let Some(Maybe(element)) = list.next_element()? {
            read.extend(element);
        }
        Ok(Self(read))
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}
