//! Laws of the engine.

use std::sync::{Arc, OnceLock};

use crate::normaliser::{HOLD, Machine, Patterns, Piece, Rules, Thoughts, Tools};

/// Tools of every kind: with required parameters, without any, with text alone.
const TOOLS: [(&str, &str); 4] = [
    (
        "read",
        r#"{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]}"#,
    ),
    ("list_all", r#"{"type":"object","properties":{}}"#),
    (
        "bash",
        r#"{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number"}},"required":["command"]}"#,
    ),
    (
        "f",
        r#"{"type":"object","properties":{"a":{},"b":{"type":["array","object","boolean","null"]}}}"#,
    ),
];

#[derive(Debug, Default, PartialEq)]
struct Out {
    text: String,
    reasoning: String,
    calls: Vec<(String, String, bool)>,
}

fn rules(patterns: &Arc<Patterns>, thoughts: Thoughts, hold: usize) -> Rules {
    static NAMED: OnceLock<Arc<Tools>> = OnceLock::new();
    let tools = NAMED.get_or_init(|| {
        let tools = TOOLS.iter();
        Arc::new(Tools::new(
            tools.map(|(name, schema)| (*name, Some(*schema))),
        ))
    });
    Rules {
        patterns: Arc::clone(patterns),
        tools: Arc::clone(tools),
        aliases: Arc::new([]),
        thoughts,
        hold,
    }
}

fn run<'t>(rules: Rules, pieces: impl Iterator<Item = &'t str>) -> Out {
    let mut machine = Machine::new(rules);
    let mut out = Out::default();
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Text(text) => {
            assert!(!text.is_empty(), "no empty text leaves");
            out.text.push_str(text);
        }
        Piece::Reasoning(text) => {
            assert!(!text.is_empty(), "no empty reasoning leaves");
            out.reasoning.push_str(text);
        }
        Piece::Call(call) => out.calls.push((call.name, call.arguments, call.repaired)),
    };
    pieces.for_each(|piece| machine.push(piece, &mut take));
    machine.finish(&mut take);
    assert!(!machine.holds(), "nothing is left");
    out
}

/// Checks every law on one text, with the built-in patterns.
pub(super) fn check(text: &str) {
    static BUILTIN: OnceLock<Arc<Patterns>> = OnceLock::new();
    let patterns = BUILTIN.get_or_init(|| Arc::new(Patterns::builtin()));
    check_with(patterns, text);
}

/// The same with other patterns.
pub(super) fn check_with(patterns: &Arc<Patterns>, text: &str) {
    for (thoughts, hold) in [
        (Thoughts::Held, HOLD),
        (Thoughts::Tagged, HOLD),
        (Thoughts::Tagged, 40),
        (Thoughts::Open, HOLD),
    ] {
        let rules = || rules(patterns, thoughts, hold);
        let whole = run(rules(), std::iter::once(text));
        check_out(text, &whole, thoughts);
        let letters = text
            .char_indices()
            .map(|(at, c)| &text[at..at + c.len_utf8()]);
        assert_eq!(
            run(rules(), letters),
            whole,
            "letter by letter, {thoughts:?} {hold}: {text:?}"
        );
        let step = text.len() / 8 + 1;
        for at in (0..text.len()).step_by(step) {
            if let (Some(first), Some(last)) = (text.get(..at), text.get(at..)) {
                let cut = run(rules(), [first, last].into_iter());
                assert_eq!(cut, whole, "cut at {at}, {thoughts:?} {hold}: {text:?}");
            }
        }
    }
}

fn check_out(text: &str, out: &Out, thoughts: Thoughts) {
    // Of thoughts the white space round them does not leave.
    if out.calls.is_empty() && out.reasoning.is_empty() && thoughts != Thoughts::Open {
        // Thoughts that are empty are tags alone.
        let tags = ["think", "THINK", "<|", "analysis"];
        if !tags.iter().any(|tag| text.contains(tag)) {
            assert_eq!(out.text, text, "what is no call stays");
        }
    }
    assert!(
        is_part(&out.text, text),
        "no text is made up: {out:?} of {text:?}"
    );
    let reasoning = out.reasoning.replace('\n', "");
    assert!(
        is_part(&reasoning, text),
        "no thoughts are made up: {out:?}"
    );
    for (name, arguments, _) in &out.calls {
        assert!(
            TOOLS.iter().any(|(tool, _)| tool == name),
            "{name} is offered"
        );
        let value: Result<serde_json::Map<String, serde_json::Value>, _> =
            serde_json::from_str(arguments);
        assert!(value.is_ok(), "arguments are an object: {arguments}");
    }
}

/// Whether `part` is `text` with letters left out.
fn is_part(part: &str, text: &str) -> bool {
    let mut letters = text.chars();
    part.chars()
        .all(|wanted| letters.any(|letter| letter == wanted))
}

#[cfg(test)]
mod tests {
    use super::check;

    /// Pieces that texts near to calls are made of.
    const PIECES: [&str; 88] = [
        "<tool_call>",
        "</tool_call>",
        "<tool_call>\n",
        "<function=read>",
        "<function=f>",
        "</function>",
        "<parameter=path>",
        "<parameter=a>",
        "</parameter>",
        "\n",
        "\n",
        " ",
        "{\"name\": \"read\", \"arguments\": {\"path\": \"x\"}}",
        "{\"name\": \"f\",",
        "\"arguments\": ",
        "{\"path\": \"x",
        "\"}",
        "}",
        "{",
        "[",
        "]",
        "(",
        ")",
        "```",
        "```json\n",
        "```tool_call\n",
        "```xml\n",
        "`",
        "&lt;",
        "&gt;",
        "&quot;",
        "&amp;",
        "&",
        "<think>",
        "</think>",
        "</think>\n",
        "<thinking>",
        "[THINK]",
        "[/THINK]",
        "<|START_THINKING|>",
        "<|START_RESPONSE|>",
        "analysis",
        "assistantfinal",
        "assistantcommentary to=read json",
        "commentary to=functions.read code",
        "<|channel|>",
        "<|start|>assistant",
        "analysis<|message|>",
        "final<|message|>",
        "commentary to=functions.read <|constrain|>json<|message|>",
        "<|end|>",
        "<|call|>",
        "<|return|>",
        "<|im_end|>",
        "</s>",
        "[TOOL_CALLS]",
        "read[ARGS]",
        "[TOOL_CALL]",
        "[/TOOL_CALL]",
        "[tool]read[/tool]",
        "read(path=\"x\")",
        "list_all()",
        "f(a=1,",
        "read",
        "bash",
        "<bash>",
        "</bash>",
        "<read path=\"x\" />",
        "<read>",
        "<path>x</path>",
        "</read>",
        "Action: read\n",
        "Action Input: ",
        "Observation:",
        "Action:",
        "<arg_key>path</arg_key>",
        "<arg_value>x</arg_value>",
        "<arg_value>",
        "</arg_value>",
        "<|tool_call_begin|>functions.read:0<|tool_call_argument_begin|>",
        "<|tool_call_end|>",
        "<invoke name=\"read\">",
        "<parameter name=\"path\">",
        "</invoke>",
        "é😀",
        "word ",
        ":",
        ";",
    ];

    #[test]
    fn the_laws_hold_for_texts_of_likely_pieces() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 16).unwrap_or_default() % below
        };
        let texts = std::env::var("LAW_TEXTS").ok().and_then(|n| n.parse().ok());
        for _ in 0..texts.unwrap_or(1_500) {
            let text: String = (0..draw(12)).map(|_| PIECES[draw(PIECES.len())]).collect();
            check(&text);
        }
    }

    #[test]
    fn the_laws_hold_for_every_case_with_one_piece_changed() {
        #[derive(serde::Deserialize)]
        struct Case {
            text: String,
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/tool-calls");
        let mut number = 0;
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let table = std::fs::read_to_string(file.path()).unwrap_or_default();
            for case in table.lines() {
                let Ok(case) = serde_json::from_str::<Case>(case) else {
                    continue;
                };
                if case.text.len() > 600 {
                    continue;
                }
                number += 1;
                let text = renamed(&case.text);
                check(&text);
                let places = (0..text.len()).filter(|at| text.is_char_boundary(*at));
                for at in places.skip(number % 61).step_by(61) {
                    let (before, after) = text.split_at(at);
                    let piece = PIECES[(at + number) % PIECES.len()];
                    check(&format!("{before}{piece}{after}"));
                    let shorter: String = after.chars().skip(1).collect();
                    check(&format!("{before}{shorter}"));
                    check(before);
                }
            }
        }
        assert!(number > 300, "{number} cases");
    }

    /// A case whose calls are of tools that the laws offer.
    fn renamed(text: &str) -> String {
        let text = text
            .replace("tide_table", "read")
            .replace("station", "path");
        let text = text.replace("geocode", "read").replace("address", "path");
        text.replace("filePath", "path")
            .replace("list_sensors", "list_all")
    }
}
