//! Whose answer it is, for how long it is kept, and how much of them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::Caching;
use store::config::Config;
use wire::inbound::CallerDialect;
use wire::provider::Call;
use wire::usage::Usage;

use super::{Answers, Kept, Key, Scope, Weight};
use quick_cache::Weighter as _;

const MIB: usize = 1024 * 1024;

const SCOPE: Scope<'_> = Scope {
    dialect: CallerDialect::OpenAiChat,
    edition: 1,
    key: None,
    user: None,
};

fn answers(mib: &str) -> Answers {
    let env = |name: &str| (name == "CACHE_MAX_MB").then(|| mib.to_owned());
    Answers::new(&Config::load(&env, None).unwrap())
}

fn key(body: &str) -> Key {
    Key::of(SCOPE, body.as_bytes()).unwrap()
}

fn numbered(number: usize) -> Key {
    key(&format!("{{\"seed\":{number}}}"))
}

fn kept(bytes: usize, made: Instant) -> Arc<Kept> {
    Arc::new(Kept {
        body: Bytes::from(vec![b'x'; bytes]),
        usage: Usage::default(),
        made,
    })
}

#[test]
fn everything_that_an_answer_depends_on_is_in_its_key() {
    let body = br#"{"model":"m","n":1}"#;
    let scopes = [
        SCOPE,
        Scope {
            edition: 2,
            ..SCOPE
        },
        Scope {
            key: Some(0),
            ..SCOPE
        },
        Scope {
            key: Some(1),
            ..SCOPE
        },
        Scope {
            user: Some(b""),
            ..SCOPE
        },
        Scope {
            user: Some(b"a"),
            ..SCOPE
        },
        Scope {
            user: Some(b"b"),
            ..SCOPE
        },
        Scope {
            dialect: CallerDialect::OpenAiCompletions,
            ..SCOPE
        },
        Scope {
            dialect: CallerDialect::OpenAiEmbeddings,
            ..SCOPE
        },
        Scope {
            dialect: CallerDialect::AnthropicMessages,
            ..SCOPE
        },
    ];
    let keys: Vec<_> = scopes.iter().map(|scope| Key::of(*scope, body)).collect();
    for (at, one) in keys.iter().enumerate() {
        assert!(one.is_some());
        assert!(!keys[at + 1..].contains(one), "{:?}", scopes[at]);
    }
}

#[test]
fn a_stream_has_the_key_of_the_whole_answer() {
    let whole = key(r#"{"model":"m","n":1}"#);
    let streamed =
        r#"{ "stream": true, "n": 1, "stream_options": {"include_usage": true}, "model": "m" }"#;
    assert_eq!(key(streamed), whole);
    assert_ne!(key(r#"{"model":"m","n":2}"#), whole);
    assert!(Key::of(SCOPE, b"[]").is_none());
}

#[test]
fn an_answer_is_there_until_its_time_is_over() {
    let answers = answers("1");
    let made = Instant::now();
    let ttl = Duration::from_secs(300);
    answers.keep(numbered(1), kept(10, made), ttl);
    let at = |seconds| answers.get(&numbered(1), made + Duration::from_secs(seconds));
    assert!(at(0).is_some());
    assert_eq!(at(299).unwrap().made, made);
    assert!(answers.get(&numbered(2), made).is_none());
    assert!(at(300).is_none());
    assert!(at(0).is_none(), "it is gone");
}

#[test]
fn a_later_answer_takes_the_place_of_an_earlier_one() {
    let answers = answers("1");
    let made = Instant::now();
    let ttl = Duration::from_secs(10);
    answers.keep(numbered(1), kept(10, made), ttl);
    let later = made + Duration::from_secs(9);
    answers.keep(numbered(1), kept(20, later), ttl);
    let found = answers.get(&numbered(1), made + Duration::from_secs(15));
    assert_eq!(found.unwrap().body.len(), 20);
}

#[test]
fn the_virtual_models_time_goes_before_that_of_the_settings() {
    let answers = answers("1");
    let seconds = |call, ttl: Option<u64>| {
        let caching = Caching {
            ttl: ttl.map(Duration::from_secs),
            ..Caching::default()
        };
        answers.ttl(call, &caching).as_secs()
    };
    assert_eq!(seconds(Call::Chat, None), 300);
    assert_eq!(seconds(Call::Completions, None), 300);
    assert_eq!(seconds(Call::Embeddings, None), 3600);
    assert_eq!(seconds(Call::Embeddings, Some(7)), 7);
}

#[test]
fn the_bytes_are_bounded_whatever_comes() {
    let answers = answers("1");
    let made = Instant::now();
    for number in 0..2000 {
        answers.keep(
            numbered(number),
            kept(number * 37 % 60_000, made),
            Duration::MAX / 4,
        );
        answers.keep(
            numbered(number),
            kept(number * 41 % 60_000, made),
            Duration::from_secs(9),
        );
        assert!(answers.kept.weight() <= MIB as u64);
    }
    let there = (0..2000).filter(|number| answers.get(&numbered(*number), made).is_some());
    assert!(
        there.count() > 10,
        "room is made by leaving out, not by leaving all"
    );
}

#[test]
fn one_answer_takes_at_most_a_sixteenth() {
    let answers = answers("1");
    let made = Instant::now();
    let most = MIB / 16
        - usize::try_from(Weight.weight(
            &numbered(0),
            &super::Entry {
                kept: kept(0, made),
                until: made,
            },
        ))
        .unwrap();
    for number in 0..200 {
        answers.keep(
            numbered(number),
            kept(most + 1, made),
            Duration::from_secs(9),
        );
        assert!(answers.get(&numbered(number), made).is_none());
        answers.keep(numbered(number), kept(most, made), Duration::from_secs(9));
        assert!(answers.get(&numbered(number), made).is_some(), "{number}");
    }
}
