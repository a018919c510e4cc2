//! What the corpus does not show: an operator's patterns, limits, the original's promises.

use std::sync::Arc;

use super::{Machine, Piece, Rules, Thoughts};
use crate::normaliser::{
    Alias, BUILTINS, Form, HOLD, NameFrom, Pattern, Patterns, Reason, Strength, Tools, check,
};

const READ: &str = r#"{"type":"object","properties":{"filePath":{"type":"string"},"limit":{"type":"integer"}},"required":["filePath"]}"#;
const BASH: &str = r#"{"type":"object","properties":{"command":{"type":"string"},"description":{"type":"string"}},"required":["command","description"]}"#;
const GLOB: &str =
    r#"{"type":"object","properties":{"pattern":{"type":"string"}},"required":["pattern"]}"#;

fn rules(patterns: Patterns) -> Rules {
    let tools = [
        ("read", READ),
        ("bash", BASH),
        ("glob", GLOB),
        ("grep", GLOB),
        ("search", GLOB),
    ];
    let tools = tools.iter().map(|(name, schema)| (*name, Some(*schema)));
    Rules {
        patterns: Arc::new(patterns),
        tools: Arc::new(Tools::new(tools)),
        aliases: Arc::new([]),
        thoughts: Thoughts::Tagged,
        hold: HOLD,
    }
}

/// The text and the calls that come out.
fn run(rules: &Rules, text: &str) -> (String, Vec<String>) {
    let mut machine = Machine::new(rules.clone());
    let (mut out, mut calls) = (String::new(), Vec::new());
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Text(text) => out.push_str(text),
        Piece::Reasoning(text) => out.push_str(&format!("({text})")),
        Piece::Call(call) => calls.push(format!("{} {}", call.name, call.arguments)),
    };
    machine.push(text, &mut take);
    machine.finish(&mut take);
    (out, calls)
}

fn own(regex: &str) -> Pattern {
    Pattern {
        id: 7,
        name: "own".to_owned(),
        form: Form::Bracket,
        regex: regex.to_owned(),
        strength: Strength::Strong,
        tool: NameFrom {
            group: Some(1),
            ..NameFrom::default()
        },
        tool_names: [].into(),
        parameters: [].into(),
        priority: 50,
    }
}

fn with(pattern: Pattern) -> Patterns {
    let built_in = BUILTINS.iter().filter(|builtin| builtin.enabled);
    let built_in = built_in.map(|builtin| builtin.pattern(0));
    let (patterns, refused) = Patterns::new(built_in.chain([pattern]));
    assert_eq!(refused, []);
    patterns
}

#[test]
fn a_whole_pattern_maps_groups_to_parameters() {
    let mut pattern = own(r"\[EXECUTE:(\w+):([^\]]+)\]");
    pattern.parameters = [("2".to_owned(), "pattern".to_owned())].into();
    let rules = rules(with(pattern));
    let (text, calls) = run(&rules, "First [EXECUTE:glob:*.rs] then [EXECUTE:rm:/] it.");
    assert_eq!(calls, [r#"glob {"pattern":"*.rs"}"#]);
    assert_eq!(text, "First  then [EXECUTE:rm:/] it.");
}

#[test]
fn a_whole_pattern_maps_names_and_finds_them_in_json() {
    let mut pattern = own(r"@@(\{.*?\})");
    pattern.form = Form::Inline;
    pattern.tool = NameFrom {
        json_path: Some("call.fn".to_owned()),
        ..NameFrom::default()
    };
    pattern.tool_names = [("find".to_owned(), "glob".to_owned())].into();
    pattern.parameters = [("mask".to_owned(), "pattern".to_owned())].into();
    let rules = rules(with(pattern));
    // The expression stops at the first brace; the call does not.
    let text = r#"@@{"call": {"fn": "find"}, "arguments": {"mask": "a}b"}} done"#;
    let (text, calls) = run(&rules, text);
    assert_eq!(calls, [r#"glob {"pattern":"a}b"}"#]);
    assert_eq!(text, " done");
}

#[test]
fn a_pattern_for_one_tool_takes_the_text_for_its_parameter() {
    let mut pattern = own(r"(?m)^find: ([^\n]+)$");
    pattern.tool = NameFrom {
        tool: Some("glob".to_owned()),
        ..NameFrom::default()
    };
    let rules = rules(with(pattern));
    let (text, calls) = run(&rules, "I will.\nfind: *.md\nThat is all.");
    assert_eq!(calls, [r#"glob {"pattern":"*.md"}"#]);
    assert_eq!(text, "I will.\n\nThat is all.");
}

#[test]
fn a_pattern_of_ones_own_finds_an_opening_for_a_reader() {
    let mut pattern = own(r"<<call>>\s*");
    pattern.form = Form::Calls;
    pattern.tool = NameFrom::default();
    let rules = rules(with(pattern));
    let (text, calls) = run(
        &rules,
        "<<call>> {'name': 'glob', 'arguments': {'pattern': '}'},} ok",
    );
    assert_eq!(calls, [r#"glob {"pattern":"}"}"#]);
    assert_eq!(text, " ok");
}

#[test]
fn what_is_switched_off_stays_text() {
    let off = BUILTINS
        .iter()
        .filter(|builtin| builtin.name != "tool_call");
    let (patterns, _) = Patterns::new(off.map(|builtin| builtin.pattern(0)));
    let rules = rules(patterns);
    let text = r#"x <tool_call>{"name": "glob", "arguments": {"pattern": "a"}}</tool_call> y"#;
    assert_eq!(run(&rules, text), (text.to_owned(), vec![]));
}

#[test]
fn what_cannot_be_searched_for_is_refused_with_its_place() {
    let wrong = |pattern: Pattern| check(&pattern).unwrap_err().to_string();
    assert!(
        wrong(own("(a")).contains("line 1, column 1"),
        "{}",
        wrong(own("(a"))
    );
    assert!(wrong(own("(a)*")).contains("empty text"));
    assert!(
        wrong(own(r"\bx(y)")).contains(r"(?-u:\b)"),
        "{}",
        wrong(own(r"\bx(y)"))
    );
    assert!(wrong(own("x")).contains("capture group 1"));
    let mut unnamed = own("x(y)");
    unnamed.form = Form::Parameters;
    unnamed.tool = NameFrom::default();
    assert!(wrong(unnamed).contains("tool_name"));
    for builtin in BUILTINS {
        assert_eq!(check(&builtin.pattern(0)), Ok(()), "{}", builtin.name);
    }
}

#[test]
fn a_candidate_that_is_too_long_is_text() {
    let mut rules = rules(Patterns::builtin());
    rules.hold = 2000;
    let long = format!(
        r#"<tool_call>{{"name": "glob", "arguments": {{"pattern": "{}"}}}}</tool_call>"#,
        "x".repeat(3000)
    );
    assert_eq!(run(&rules, &long), (long.clone(), vec![]));
    let mut machine = Machine::new(rules.clone());
    let mut left = 0;
    for letter in long.chars() {
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Text(text) => left += text.len(),
            Piece::Reasoning(_) | Piece::Call(_) => unreachable!("it is text"),
        };
        machine.push(letter.encode_utf8(&mut [0; 4]), &mut take);
    }
    assert!(left > 900, "it left as soon as it was too long: {left}");
    let reasons: Vec<_> = machine
        .seen()
        .iter()
        .map(|seen| seen.outcome.clone())
        .collect();
    assert!(reasons.contains(&Err(Reason::TooLong)), "{reasons:?}");
}

#[test]
fn text_that_begins_nothing_leaves_with_the_piece_it_came_in() {
    let rules = rules(Patterns::builtin());
    let mut machine = Machine::new(rules);
    for piece in [
        "The ",
        "reader of a list ",
        "[1] asks",
        ": is a < b?\n",
        "Not ",
        "here.\n- [x] done",
        " at all, `code` and ",
        "f(x) ",
        "too.\n\n1. First",
        "\nThe end",
    ] {
        let mut out = String::new();
        machine.push(piece, &mut |piece| {
            if let Piece::Text(text) = piece {
                out.push_str(text);
            }
        });
        assert_eq!(out, piece);
    }
}

#[test]
fn what_breaks_off_makes_no_calls() {
    let rules = rules(Patterns::builtin());
    let text = r#"{"name": "glob", "arguments": {"pattern": "a"}}"#;
    let mut machine = Machine::new(rules);
    let mut out = String::new();
    machine.push(text, &mut |_| {});
    machine.abandon(&mut |piece| match piece {
        Piece::Text(text) => out.push_str(text),
        Piece::Reasoning(_) | Piece::Call(_) => unreachable!("its end never came"),
    });
    assert_eq!(out, text);
}

#[test]
fn aliases_hold_toward_the_schema() {
    let mut rules = rules(Patterns::builtin());
    let alias = |parameter: &str, keys: &[&str], fill: Option<&str>| Alias {
        tool: "Bash".to_owned(),
        parameter: parameter.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        fill: fill.map(str::to_owned),
    };
    rules.aliases = Arc::new([
        alias("command", &["cmd", "value"], None),
        alias("description", &[], Some("Run bash command")),
    ]);
    let call = |arguments: &str| {
        format!(r#"<tool_call>{{"name": "bash", "arguments": {arguments}}}</tool_call>"#)
    };
    let (_, calls) = run(&rules, &call(r#"{"value": "ls"}"#));
    assert_eq!(
        calls,
        [r#"bash {"command":"ls","description":"Run bash command"}"#]
    );
    let (_, calls) = run(&rules, &call(r#"{"command": "ls", "description": "d"}"#));
    assert_eq!(calls, [r#"bash {"command":"ls","description":"d"}"#]);
}

/// The original's table of outcomes, its wrong rows put right.
#[test]
fn what_the_original_promised() {
    let rules = rules(Patterns::builtin());
    let call = r#"{"name": "read", "arguments": {"filePath": "a.txt"}}"#;
    let made = || vec![r#"read {"filePath":"a.txt"}"#.to_owned()];
    for text in [
        format!("```\n{call}\n```"),
        format!("```json\n{call}\n```"),
        format!("```tool_call\n{call}\n```"),
        call.to_owned(),
        format!("<tool_call>{call}</tool_call>"),
        format!("<tool_call>\n{call}\n</tool_call>"),
        format!("[TOOL_CALL] {call} [/TOOL_CALL]"),
        r#"[tool]read[/tool] {"filePath": "a.txt"}"#.to_owned(),
        r#"<tool_use code name="read">{"filePath": "a.txt"}</tool_use>"#.to_owned(),
        format!("<tool_code>{call}</tool_code>"),
        "<tool_call><function=read><parameter=filePath>a.txt</parameter></function></tool_call>"
            .to_owned(),
    ] {
        assert_eq!(run(&rules, &text), (String::new(), made()), "{text}");
    }
    let two = "<tool_call><function=read><parameter=filePath>a.txt</parameter>\
               <parameter=limit>5</parameter></function></tool_call>";
    let (_, calls) = run(&rules, two);
    assert_eq!(calls, [r#"read {"filePath":"a.txt","limit":5}"#]);
    for prose in [
        "[the readme](https://example.test) and the [Models] tab",
        "you can search (see below)",
        "The final answer is 42",
        "analysis of variance",
        "```bash\nread /etc/hostname\n```",
    ] {
        assert_eq!(run(&rules, prose), (prose.to_owned(), vec![]), "{prose}");
    }
}
