//! Trials of built-in patterns and of others.

use std::sync::Arc;

use super::*;
use crate::normaliser::{BUILTINS, Form, HOLD, Patterns, Strength, Thoughts, Tools};

const BASH: &str =
    r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#;

fn rules() -> Rules {
    let tools = [("bash", Some(BASH)), ("ls", None)];
    Rules {
        patterns: Arc::new(Patterns::builtin()),
        tools: Arc::new(Tools::new(tools.into_iter())),
        aliases: Arc::new([]),
        thoughts: Thoughts::Held,
        hold: HOLD,
    }
}

fn of(text: &str) -> (Sample, Trial) {
    let sample = Sample {
        text: text.to_owned(),
        ..Sample::default()
    };
    let trial = trial(&rules(), &sample);
    (sample, trial)
}

/// Name of the pattern, part of the text, and why it is none, by place.
fn told(rules: &Rules, sample: &Sample, trial: &Trial) -> Vec<(String, String, &'static str)> {
    let name = |row| rules.patterns.pattern(row).unwrap().name.clone();
    let part = |field, span: &Range<usize>| sample.field(field)[span.clone()].to_owned();
    let matches = trial.matches.iter();
    let matches = matches.map(|found| (name(found.row), part(found.field, &found.span), "call"));
    // Words and tags of prose are near too.
    let is_weak = |row| rules.patterns.pattern(row).unwrap().strength == Strength::Weak;
    let is_prose =
        |near: &&Near| is_weak(near.row) && matches!(near.reason, Reason::UnknownTool(_));
    let near = trial.near.iter();
    let near = near.filter(|near| !is_prose(near));
    let near = near.map(|near| {
        let part = part(near.field, &near.span);
        (name(near.row), part, near.reason.id())
    });
    matches.chain(near).collect()
}

fn row(name: &str, part: &str, what: &'static str) -> (String, String, &'static str) {
    (name.to_owned(), part.to_owned(), what)
}

#[test]
fn a_trial_says_which_pattern_took_which_part() {
    let call =
        "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\",}}\n</tool_call>";
    let (sample, trial) = of(&format!("Höre:\n{call}\n"));
    assert_eq!(trial.whole, trial.letters);
    assert_eq!(trial.whole.text, "Höre:\n");
    let calls = &trial.whole.calls;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].arguments, r#"{"command":"ls"}"#);
    let found = &trial.matches[0];
    assert_eq!((found.calls, found.repaired), (1, 1));
    assert_eq!(found.field, Field::Text);
    assert_eq!(&sample.text[found.span.clone()], call);
    assert_eq!(told(&rules(), &sample, &trial).len(), 1, "{trial:?}");
}

#[test]
fn a_part_that_a_pattern_took_is_the_whole_of_what_was_written() {
    let ls = "{\"name\": \"ls\", \"arguments\": {}}";
    let wrapped = format!("<tool_call>\n{ls}\n</tool_call>");
    for (text, parts) in [
        (format!("{wrapped} and then"), vec![wrapped.clone()]),
        (
            format!("{wrapped}\n{wrapped}"),
            vec![wrapped.clone(), wrapped.clone()],
        ),
        // What nothing closes ends where its call does.
        (format!("<tool_call>{ls}"), vec![format!("<tool_call>{ls}")]),
        // Blanks behind the last mark are not of it.
        (
            format!("{wrapped}</tool_calls>  \n"),
            vec![format!("{wrapped}</tool_calls>")],
        ),
    ] {
        let (sample, trial) = of(&text);
        let found = trial
            .matches
            .iter()
            .map(|found| &sample.text[found.span.clone()]);
        assert_eq!(found.collect::<Vec<_>>(), parts, "{text}");
    }
}

#[test]
fn a_trial_says_why_a_part_is_no_call() {
    let text = "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>";
    let (_, trial) = of(text);
    assert_eq!(trial.whole.text, text);
    assert!(trial.matches.is_empty());
    let near = &trial.near[0];
    assert_eq!(near.reason, Reason::UnknownTool("rm".to_owned()));
    assert_eq!(near.span.start, 0);
}

#[test]
fn a_call_that_is_not_alone_is_near_in_a_trial_and_no_match() {
    let (sample, trial) = of("ls()\n\nand more");
    assert!(trial.whole.calls.is_empty(), "{trial:?}");
    let told = told(&rules(), &sample, &trial);
    let refused: Vec<_> = told.iter().filter(|row| row.2 == "not_alone").collect();
    assert_eq!(refused.len(), 1, "{told:?}");
    assert!(told.iter().all(|row| row.2 != "call"), "{told:?}");
}

#[test]
fn drafts_in_thoughts_are_near_in_a_trial() {
    let call = "<tool_call>{\"name\": \"ls\", \"arguments\": {}}</tool_call>";
    let (sample, trial) = of(&format!("<think>Try {call} now</think>{call}"));
    assert_eq!(trial.whole.calls.len(), 1);
    let told = told(&rules(), &sample, &trial);
    let name = &told[0].0;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|row| row.1 == call), "{told:?}");
    assert_eq!((told[0].2, told[1].2), ("call", "draft"));
    assert_eq!(&told[1].0, name);
}

#[test]
fn calls_that_end_unclosed_thoughts_are_matched_once_in_a_trial() {
    let call = "<tool_call>{\"name\": \"ls\", \"arguments\": {}}</tool_call>";
    let (sample, trial) = of(&format!("<think>Hm.\n{call}"));
    assert_eq!(trial.whole.calls.len(), 1);
    let told = told(&rules(), &sample, &trial);
    assert_eq!((told.len(), told[0].2), (1, "call"), "{told:?}");
}

#[test]
fn a_trial_of_reasoning_tells_places_in_it() {
    let call = "<tool_call>{\"name\": \"ls\", \"arguments\": {}}</tool_call>";
    let mut sample = Sample {
        reasoning: format!("Hm, so: {call}"),
        text: String::new(),
    };
    let rules = rules();
    let alone = trial(&rules, &sample);
    assert_eq!(alone.whole, alone.letters);
    assert_eq!(alone.whole.calls.len(), 1, "{alone:?}");
    assert_eq!((alone.matches.len(), alone.near.len()), (1, 0), "{alone:?}");
    let found = &alone.matches[0];
    assert_eq!((found.field, found.span.start), (Field::Reasoning, 8));

    sample.text = "Done.".to_owned();
    let answered = trial(&rules, &sample);
    assert!(answered.whole.calls.is_empty());
    assert_eq!(answered.whole.reasoning, sample.reasoning);
    let told = told(&rules, &sample, &answered);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].2, "draft");
}

#[test]
fn places_in_escaped_text_are_whole_characters_in_a_trial() {
    let text = "&lt;tool_call&gt;{\"name\": \"ü\", \"arguments\": {\"ü\": \"üüüüüü\"}}&lt;/tool_call&gt; ü";
    let (sample, trial) = of(text);
    assert_eq!(trial.whole.text, text);
    let told = told(&rules(), &sample, &trial);
    assert!(told.iter().any(|row| row.2 == "unknown_tool"), "{told:?}");
}

#[test]
fn without_tools_a_trial_finds_nothing() {
    let rules = Rules {
        tools: Arc::new(Tools::default()),
        ..rules()
    };
    let text = "<think>a</think><tool_call>{\"name\": \"ls\", \"arguments\": {}}</tool_call>";
    let sample = Sample {
        text: text.to_owned(),
        ..Sample::default()
    };
    let trial = trial(&rules, &sample);
    assert_eq!(trial.whole.reasoning, "a");
    assert!(trial.whole.calls.is_empty());
    assert_eq!((trial.matches.len(), trial.near.len()), (0, 0));
}

#[test]
fn a_trial_goes_by_the_patterns_given() {
    let mut pattern = BUILTINS[0].pattern(7);
    pattern.name = "mine".to_owned();
    pattern.form = Form::Bracket;
    pattern.strength = Strength::Strong;
    pattern.regex = r"\[EXECUTE:(\w+):([^\]]+)\]".to_owned();
    pattern.tool.group = Some(1);
    pattern.parameters = [("2".to_owned(), "command".to_owned())].into();
    let rules = Rules {
        patterns: Arc::new(Patterns::new([pattern]).0),
        ..rules()
    };
    let sample = Sample {
        text: "Go [EXECUTE:bash:ls -l] and [EXECUTE:rm:x]".to_owned(),
        ..Sample::default()
    };
    let trial = trial(&rules, &sample);
    assert_eq!(trial.whole.calls[0].arguments, r#"{"command":"ls -l"}"#);
    assert_eq!(
        told(&rules, &sample, &trial),
        [
            row("mine", "[EXECUTE:bash:ls -l]", "call"),
            row("mine", "[EXECUTE:rm:x]", "unknown_tool")
        ]
    );
}
