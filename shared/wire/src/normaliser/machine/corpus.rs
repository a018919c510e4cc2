//! Every case of the corpus, whole and in pieces: `cases/tool-calls`, and beside them any
//! folder that `TOOL_CALL_CORPUS` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{Machine, Piece, Rules, Thoughts};
use crate::normaliser::{HOLD, Patterns, Tools};

#[derive(Deserialize)]
struct Case {
    id: String,
    tools: Vec<Json>,
    text: String,
    expect: Expected,
    reasoning: Option<String>,
    #[serde(default)]
    content_trim: bool,
    content_ws: Option<String>,
    #[serde(default)]
    upstream: Option<Json>,
}

#[derive(Deserialize)]
struct Expected {
    content: Option<String>,
    tool_calls: Vec<Json>,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq)]
struct Out {
    content: String,
    reasoning: String,
    calls: Vec<(String, Json)>,
}

impl Out {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(text) => self.content.push_str(text),
            Piece::Reasoning(text) => self.reasoning.push_str(text),
            Piece::Call(call) => {
                let arguments = serde_json::from_str(&call.arguments).unwrap();
                self.calls.push((call.name, arguments));
            }
        }
    }
}

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/tool-calls");
    let other = std::env::var_os("TOOL_CALL_CORPUS").map(PathBuf::from);
    std::iter::once(own).chain(other).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in folders() {
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|err| panic!("{}: {err}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
            .collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            cases.extend(lines.map(|line| serde_json::from_str::<Case>(line).unwrap()));
        }
    }
    assert!(cases.len() >= 415, "{} cases", cases.len());
    cases
}

fn rules(case: &Case, patterns: &Arc<Patterns>) -> Rules {
    let tools: Vec<(String, String)> = case
        .tools
        .iter()
        .map(|tool| {
            let function = &tool["function"];
            let name = function["name"].as_str().unwrap().to_owned();
            (name, function["parameters"].to_string())
        })
        .collect();
    let tools = tools
        .iter()
        .map(|(name, parameters)| (name.as_str(), Some(parameters.as_str())));
    Rules {
        patterns: Arc::clone(patterns),
        tools: Arc::new(Tools::new(tools)),
        aliases: Arc::new([]),
        thoughts: Thoughts::Held,
        hold: HOLD,
    }
}

/// The text and the field of reasoning that a case is about.
fn fields(case: &Case) -> (&str, Option<String>) {
    let Some(upstream) = &case.upstream else {
        return (&case.text, None);
    };
    let details = upstream["reasoning_details"].as_array().map(|parts| {
        let texts = parts.iter().filter_map(|part| part["text"].as_str());
        texts.collect::<String>()
    });
    let field = |key: &str| upstream[key].as_str().map(str::to_owned);
    let reasoning = field("reasoning_content").or_else(|| field("reasoning"));
    (&case.text, reasoning.or(details))
}

/// What becomes of a case in pieces that end at `cuts`.
fn run(case: &Case, patterns: &Arc<Patterns>, pieces: &dyn Fn(&str) -> Vec<usize>) -> Out {
    let rules = rules(case, patterns);
    let (text, reasoning) = fields(case);
    let mut out = Out::default();
    let mut thoughts = Machine::for_reasoning(rules.clone());
    feed(
        &mut thoughts,
        reasoning.as_deref().unwrap_or_default(),
        pieces,
        &mut out,
    );
    let mut machine = Machine::new(rules);
    if text.is_empty() {
        thoughts.finish(&mut |piece| out.take(piece));
    } else {
        thoughts.release(&mut |piece| out.take(piece));
    }
    feed(&mut machine, text, pieces, &mut out);
    machine.finish(&mut |piece| out.take(piece));
    out
}

fn feed(machine: &mut Machine, text: &str, pieces: &dyn Fn(&str) -> Vec<usize>, out: &mut Out) {
    let mut at = 0;
    for end in pieces(text).into_iter().chain([text.len()]) {
        machine.push(&text[at..end], &mut |piece| out.take(piece));
        at = end;
    }
}

fn trimmed(text: &str, case: &Case) -> String {
    let text = if case.content_trim { text.trim() } else { text };
    if case.content_ws.as_deref() == Some("collapse") {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    text.to_owned()
}

fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

/// What is wrong with an outcome.
fn fault(case: &Case, out: &Out) -> Option<String> {
    let want = trimmed(case.expect.content.as_deref().unwrap_or_default(), case);
    let got = trimmed(&out.content, case);
    if want != got {
        return Some(format!(
            "content {got:?}, not {want:?}; calls {:?}",
            out.calls
        ));
    }
    let wanted = &case.expect.tool_calls;
    let fits = wanted.len() == out.calls.len()
        && wanted
            .iter()
            .zip(&out.calls)
            .all(|(want, (name, arguments))| {
                want["name"] == name.as_str() && same(&want["arguments"], arguments)
            });
    if !fits {
        return Some(format!("calls {:?}, not {wanted:?}", out.calls));
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let want = words(case.reasoning.as_deref()?);
    let got = words(&out.reasoning);
    (want != got).then(|| format!("reasoning {got:?}, not {want:?}"))
}

/// Cuts after every so many bytes, at the next character.
fn every(bytes: usize) -> impl Fn(&str) -> Vec<usize> {
    move |text: &str| {
        let mut cuts = Vec::new();
        let mut at = bytes;
        while at < text.len() {
            while !text.is_char_boundary(at) {
                at += 1;
            }
            if at < text.len() {
                cuts.push(at);
            }
            at += bytes;
        }
        cuts
    }
}

/// Cuts at places that look random.
fn anywhere(seed: u64) -> impl Fn(&str) -> Vec<usize> {
    move |text: &str| {
        let mut state = seed | 1;
        let mut cuts: Vec<usize> = (0..1 + text.len() / 9)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state % (text.len() as u64 + 1)).unwrap()
            })
            .filter(|at| text.is_char_boundary(*at))
            .collect();
        cuts.sort_unstable();
        cuts
    }
}

#[test]
fn every_case_comes_out_right() {
    let patterns = Arc::new(Patterns::builtin());
    let mut faults = Vec::new();
    let cases = cases();
    for case in &cases {
        let out = run(case, &patterns, &|_| Vec::new());
        if let Some(fault) = fault(case, &out) {
            faults.push(format!("{}: {fault}", case.id));
        }
    }
    let count = faults.len();
    assert!(
        faults.is_empty(),
        "{count} of {}:\n{}",
        cases.len(),
        faults.join("\n")
    );
}

#[test]
fn every_case_comes_out_the_same_in_pieces() {
    let patterns = Arc::new(Patterns::builtin());
    let mut faults = Vec::new();
    for case in &cases() {
        let whole = run(case, &patterns, &|_| Vec::new());
        let long = case.text.len() > 4096;
        for bytes in [1, 3, 7].into_iter().filter(|bytes| !long || *bytes == 7) {
            if run(case, &patterns, &every(bytes)) != whole {
                faults.push(format!("{} in pieces of {bytes}", case.id));
            }
        }
        for seed in 1..=3 {
            if run(case, &patterns, &anywhere(seed * 7919)) != whole {
                faults.push(format!("{} in pieces of seed {seed}", case.id));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
