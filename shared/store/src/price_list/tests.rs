#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;

#[test]
fn the_table_is_right() {
    let entries = entries(TABLE).unwrap();
    assert!(entries.len() >= 40, "{}", entries.len());
    for entry in entries {
        let found = suggestions(entry.model);
        let best = found.first().unwrap();
        let same = found
            .iter()
            .find(|found| (found.vendor, found.model) == (entry.vendor, entry.model));
        assert_eq!(same.unwrap().prices, entry.prices, "{}", entry.model);
        assert!(matches!(best.fit, Fit::Exact | Fit::Pattern), "{best:?}");
    }
}

#[test]
fn what_is_wrong_with_a_table_is_said() {
    const HEAD: &str = r#"{"about":"","currency":"USD","tokens":1000000,"date":"2026-11-28","vendors":{"v":{"name":"V","page":"https://v","date":"2026-11-28","read_in":["x"]}},"models":["#;
    let read = |models: &str| {
        let text: &'static str = format!("{HEAD}{models}]}}").leak();
        entries(text).map(|entries| entries.len())
    };
    let entry =
        |rest: &str| format!(r#"{{"vendor":"v","source":"https://v","date":"2026-11-28",{rest}}}"#);
    let good = entry(r#""model":"m","input":"1""#);
    assert_eq!(read(&good), Ok(1));
    assert_eq!(read(""), Ok(0));
    for (models, why) in [
        (format!("{good},{good}"), "is there twice"),
        (entry(r#""model":"*","input":"1""#), "is no id"),
        (entry(r#""model":"a*b","input":"1""#), "is no id"),
        (entry(r#""model":"m""#), "has no price"),
        (entry(r#""model":"m","input":"-1""#), "a price that is none"),
        (entry(r#""model":"m","input":"1.""#), "a price that is none"),
        (
            entry(r#""model":"m","input":"0.1234567""#),
            "a price that is none",
        ),
        (
            entry(r#""model":"m","input":"10000""#),
            "a price that is none",
        ),
        (
            entry(r#""model":"m","input":"1","cached_input":"2""#),
            "from the cache",
        ),
        (entry(r#""model":"m","input":1"#), "not the JSON"),
        (entry(r#""model":"m","inptu":"1""#), "not the JSON"),
        (
            r#"{"vendor":"w","model":"m","input":"1","source":"https://v","date":"2026-11-28"}"#
                .to_owned(),
            "a vendor that",
        ),
        (
            r#"{"vendor":"v","model":"m","input":"1","source":"v","date":"2026-11-28"}"#.to_owned(),
            "where or when",
        ),
        (
            r#"{"vendor":"v","model":"m","input":"1","source":"https://v","date":"2026-13-01"}"#
                .to_owned(),
            "where or when",
        ),
    ] {
        let said = read(&models).unwrap_err().to_string();
        assert!(said.contains(why), "{models}: {said}");
    }
}

#[test]
fn prices_are_exact() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1", Some(1_000_000)),
        ("1.25", Some(1_250_000)),
        ("0.0375", Some(37_500)),
        ("0.000001", Some(1)),
        ("0.0000001", None),
        ("9999.999999", Some(9_999_999_999)),
        ("10000", None),
        ("99999999999999999999999", None),
        ("", None),
        (".5", None),
        ("5.", None),
        ("1e3", None),
        ("-1", None),
        ("+1", None),
        ("1,5", None),
        ("NaN", None),
    ] {
        assert_eq!(pico_dollars(text), expected, "{text:?}");
    }
}

#[test]
fn an_id_finds_its_entry_whatever_is_round_it() {
    for (entry, id, expected) in [
        ("gpt-4o", "gpt-4o", Some(Fit::Exact)),
        ("gpt-4o", "GPT-4o", Some(Fit::Exact)),
        ("gpt-4o", "openai/gpt-4o", Some(Fit::WithoutPrefix)),
        ("gpt-4o", "a/b/gpt-4o", Some(Fit::WithoutPrefix)),
        ("meta/llama", "llama", Some(Fit::WithoutPrefix)),
        ("meta/llama", "meta-llama/llama", Some(Fit::WithoutPrefix)),
        ("gpt-4o", "gpt-4o-2024-08-06", Some(Fit::WithoutDate)),
        ("gpt-4o", "openai/gpt-4o-2024-08-06", Some(Fit::WithoutDate)),
        ("haiku-4-5", "haiku-4-5-20251001", Some(Fit::WithoutDate)),
        ("haiku-4-5", "haiku-4-5@20251001", Some(Fit::WithoutDate)),
        ("gpt-4o", "gpt-4o:extended", Some(Fit::WithoutTag)),
        ("gpt-4o", "x/gpt-4o-2024-08-06:nitro", Some(Fit::WithoutTag)),
        ("gpt-4o", "gpt-4o:free", None),
        ("gpt-4o", "gpt-4o-mini", None),
        ("gpt-4o", "gpt-4o-2024-13-06", None),
        ("gpt-4o", "gpt-4o-12345678", None),
        // A dated entry is dated because it costs something else.
        ("gpt-4o-2024-05-13", "gpt-4o", None),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", None),
        ("gpt-*", "gpt-4o", Some(Fit::Pattern)),
        ("gpt-*", "openai/gpt-4o", Some(Fit::Pattern)),
        ("v/gpt-*", "gpt-4o", Some(Fit::Pattern)),
        ("gpt-*", "my-gpt-4o", None),
        ("gpt-4o", "", None),
        ("gpt-4o", "-2024-08-06", None),
        ("gpt-4o", "ü-2024-08-06", None),
        ("gpt-4o", "日本-20240806", None),
    ] {
        let (entry, id) = (entry.to_ascii_lowercase(), id.to_ascii_lowercase());
        assert_eq!(fit(&entry, &id), expected, "{entry} for {id}");
    }
}

#[test]
fn the_best_comes_first() {
    let entry = |model| Suggestion {
        fit: Fit::Exact,
        vendor: "V",
        model,
        prices: Prices::default(),
        source: "https://v",
        date: "2026-11-28",
        note: None,
    };
    let table = [
        "m*",
        "m-2*",
        "m-2",
        "v/m-2-2025-01-02",
        "w/m-2",
        "m-2-2025-01-02",
        "other",
    ]
    .map(entry);
    let models = |id: &str| -> Vec<&str> {
        let found = fitting(&table, id);
        found.into_iter().map(|entry| entry.model).collect()
    };
    assert_eq!(
        models("m-2-2025-01-02"),
        [
            "m-2-2025-01-02",
            "v/m-2-2025-01-02",
            "m-2",
            "w/m-2",
            "m-2*",
            "m*"
        ]
    );
    assert_eq!(models("m-2"), ["m-2", "w/m-2", "m-2*", "m*"]);
    assert!(models("nothing").is_empty());
}

#[test]
fn well_known_models_have_a_price() {
    let best = |id: &str| suggestions(id).first().copied().unwrap();
    let dated = best("openai/gpt-4o-2024-08-06");
    assert_eq!((dated.vendor, dated.model), ("OpenAI", "gpt-4o"));
    assert_eq!(dated.prices.input, Some(Price(2_500_000)));
    assert_eq!(
        best("gpt-4o-2024-05-13").prices.input,
        Some(Price(5_000_000))
    );
    let opus = best("claude-opus-4-5-20251101");
    assert_eq!(opus.vendor, "Anthropic");
    assert_eq!(opus.prices.cache_write, Some(Price(6_250_000)));
    assert_eq!(opus.prices.cache_write_1h, Some(Price(10_000_000)));
    let hosts: Vec<&str> = suggestions("openai/gpt-oss-120b")
        .iter()
        .map(|found| found.vendor)
        .collect();
    assert_eq!(hosts, ["Groq", "Together AI", "DeepInfra"]);
    assert!(suggestions("a-model-of-our-own").is_empty());
}
