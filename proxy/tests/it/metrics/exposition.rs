//! Prometheus's text format, read with every rule that it has: each family is described
//! once before its samples, which stand together; no series comes twice; histograms add up.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

/// A whole page.
#[derive(Debug)]
pub(crate) struct Exposition {
    pub(crate) text: String,
    samples: Vec<Sample>,
    /// By family.
    kinds: BTreeMap<String, String>,
}

impl Exposition {
    /// Reads `text`; whatever is not allowed is a failed test.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut page = Self {
            text: text.to_owned(),
            samples: Vec::new(),
            kinds: BTreeMap::new(),
        };
        let mut helped = BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "described before: {line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let known = page.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(known, None, "twice: {line}");
                name.clone_into(&mut family);
            } else {
                let sample = sample(line);
                assert_eq!(base(&sample.name, &page.kinds), family, "{line}");
                page.samples.push(sample);
            }
        }
        assert_eq!(helped.len(), page.kinds.len());
        page.is_lawful();
        page
    }

    fn is_lawful(&self) {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let series = (&sample.name, &sample.labels);
            assert!(seen.insert(series), "twice: {sample:?}");
            let kind = &self.kinds[&base(&sample.name, &self.kinds)];
            if kind != "gauge" {
                assert!(sample.value >= 0.0, "{sample:?}");
            }
        }
        for (name, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            self.is_histogram(name);
        }
    }

    fn is_histogram(&self, name: &str) {
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        let bucket = format!("{name}_bucket");
        for sample in self.samples.iter().filter(|sample| sample.name == bucket) {
            let mut labels = sample.labels.clone();
            let bound = labels.remove("le").unwrap();
            let bound = bound.replace("+Inf", "inf").parse().unwrap();
            buckets
                .entry(labels)
                .or_default()
                .push((bound, sample.value));
        }
        for (labels, counts) in buckets {
            assert!(
                counts.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                "{counts:?}"
            );
            let (bound, all) = *counts.last().unwrap();
            assert!(bound.is_infinite());
            let of = |suffix: &str| {
                let name = format!("{name}_{suffix}");
                let is = |sample: &&Sample| sample.name == name && sample.labels == labels;
                self.samples.iter().find(is).unwrap().value
            };
            assert_eq!(of("count"), all);
            assert!(of("sum") >= 0.0);
        }
    }

    /// The sum of all series of `name` with these labels among theirs.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| {
                    sample
                        .labels
                        .get(*label)
                        .is_some_and(|known| known == value)
                })
        };
        self.samples
            .iter()
            .filter(has)
            .map(|sample| sample.value)
            .sum()
    }

    /// The one value of `name`, which has no labels.
    pub(crate) fn one(&self, name: &str) -> f64 {
        let is = |sample: &&Sample| sample.name == name && sample.labels.is_empty();
        self.samples
            .iter()
            .find(is)
            .unwrap_or_else(|| panic!("{name}"))
            .value
    }

    /// Every series, without its value.
    pub(crate) fn series(&self) -> BTreeSet<(&str, &Labels)> {
        let named = |sample| {
            let Sample { name, labels, .. }: &Sample = sample;
            (name.as_str(), labels)
        };
        self.samples.iter().map(named).collect()
    }

    /// Every name of a metric, those of a histogram's parts too.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.samples
            .iter()
            .map(|sample| sample.name.as_str())
            .collect()
    }

    /// What each family is.
    pub(crate) fn kinds(&self) -> &BTreeMap<String, String> {
        &self.kinds
    }

    /// No counter of this page is lower, or gone, in the `later` one.
    pub(crate) fn is_followed_by(&self, later: &Self) {
        for sample in &self.samples {
            if self.kinds[&base(&sample.name, &self.kinds)] == "gauge" {
                continue;
            }
            let is = |other: &&Sample| other.name == sample.name && other.labels == sample.labels;
            let then = later.samples.iter().find(is);
            assert!(
                then.is_some_and(|then| then.value >= sample.value),
                "{sample:?} {then:?}"
            );
        }
    }
}

/// The family that a sample is of.
fn base(name: &str, kinds: &BTreeMap<String, String>) -> String {
    for suffix in ["_bucket", "_sum", "_count"] {
        if let Some(base) = name.strip_suffix(suffix)
            && kinds.get(base).is_some_and(|kind| kind == "histogram")
        {
            return base.to_owned();
        }
    }
    name.to_owned()
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let name = line[..end].to_owned();
    let is_name = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(is_name(&name), "{line}");
    let mut labels = Labels::new();
    let mut rest = &line[end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"").unwrap();
            assert!(is_name(label), "{line}");
            let (value, behind) = quoted(behind);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap();
    let value = value.replace("+Inf", "inf").parse().unwrap();
    Sample {
        name,
        labels,
        value,
    }
}

/// A label's value, and what stands behind its closing quote.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                other => panic!("no such escape: {other} in {text}"),
            },
            c => value.push(c),
        }
    }
    panic!("a value without an end: {text}")
}
