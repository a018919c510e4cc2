//! What the normaliser costs: plain prose in small pieces and in one, and texts made to
//! keep it busy, with a hundred patterns.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wire::normaliser::{
    Form, HOLD, Machine, NameFrom, Pattern, Patterns, Rules, Strength, Thoughts, Tools,
};

const PROSE: &str = "The tide turns twice a day, and the harbour turns with it. Boats that \
    lay in the mud an hour ago swing at their moorings; the ferry (the last one) leaves at \
    six. It isn't far: take the lane past the church, then the path along the wall.\n\n";

fn tools() -> Arc<Tools> {
    let schema = r#"{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}"#;
    let names = ["read", "write", "edit", "bash", "grep", "glob"];
    Arc::new(Tools::new(names.iter().map(|name| (*name, Some(schema)))))
}

fn rules(patterns: &Arc<Patterns>) -> Rules {
    Rules {
        patterns: Arc::clone(patterns),
        tools: tools(),
        aliases: Arc::new([]),
        thoughts: Thoughts::Tagged,
        hold: HOLD,
    }
}

/// The built-in patterns and as many of an operator's as make a hundred.
fn hundred() -> Arc<Patterns> {
    let built_in = wire::normaliser::BUILTINS.iter().zip(0..);
    let mut patterns: Vec<_> = built_in
        .filter(|(builtin, _)| builtin.enabled)
        .map(|(builtin, id)| builtin.pattern(id))
        .collect();
    while patterns.len() < 100 {
        let number = patterns.len();
        patterns.push(Pattern {
            id: 1000,
            name: format!("own {number}"),
            form: Form::Bracket,
            regex: format!(r"\[RUN{number}:(\w+):([^\]]+)\]"),
            strength: Strength::Strong,
            tool: NameFrom {
                group: Some(1),
                ..NameFrom::default()
            },
            tool_names: [].into(),
            parameters: [("2".to_owned(), "path".to_owned())].into(),
            priority: 10,
        });
    }
    let (patterns, refused) = Patterns::new(patterns);
    assert!(refused.is_empty(), "{refused:?}");
    Arc::new(patterns)
}

fn run(machine: &mut Machine, text: &str) -> usize {
    let mut bytes = 0;
    let mut count = |piece: wire::normaliser::Piece<'_>| match piece {
        wire::normaliser::Piece::Text(text) | wire::normaliser::Piece::Reasoning(text) => {
            bytes += text.len();
        }
        wire::normaliser::Piece::Call(call) => bytes += call.arguments.len(),
    };
    machine.push(text, &mut count);
    machine.finish(&mut count);
    bytes
}

fn prose(criterion: &mut Criterion) {
    let patterns = Arc::new(Patterns::builtin());
    let text = PROSE.repeat(20);
    let pieces: Vec<&str> = {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while rest.len() > 20 {
            let (piece, more) = rest.split_at(20);
            pieces.push(piece);
            rest = more;
        }
        pieces
    };
    let mut group = criterion.benchmark_group("prose");
    group.throughput(Throughput::Elements(pieces.len() as u64));
    group.bench_function("pieces of 20 bytes", |bencher| {
        bencher.iter_batched_ref(
            || Machine::new(rules(&patterns)),
            |machine| {
                for piece in &pieces {
                    machine.push(piece, &mut |piece| {
                        black_box(&piece);
                    });
                }
            },
            BatchSize::SmallInput,
        );
    });
    let large = PROSE.repeat(4 << 20 >> 8);
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("one large text", |bencher| {
        bencher.iter_batched_ref(
            || Machine::new(rules(&patterns)),
            |machine| run(machine, &large),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn adversarial(criterion: &mut Criterion) {
    let patterns = hundred();
    let mib = 1 << 20;
    let fill = |piece: &str| piece.repeat(mib / piece.len());
    let mut numbered = String::new();
    let mut number = 0;
    while numbered.len() < mib {
        number += 1;
        let _ = write!(numbered, "[RUN{}:read:", 40 + number % 60);
    }
    let texts = [
        ("brackets", fill("<")),
        ("openings", fill("<tool_call>")),
        (
            "json openings",
            fill("<tool_call>{\"name\": \"read\", \"arguments\": {\"path\": \""),
        ),
        ("lines of braces", fill("{\n")),
        ("calls without end", fill("read(path=\"")),
        ("lines of calls", fill("read(path=\"x\",\n")),
        ("fences", fill("```json\n{")),
        (
            "parameters",
            fill("<tool_call><function=read><parameter=path></parameter> "),
        ),
        (
            "closing tags",
            format!(
                "<tool_call><function=read><parameter=path>{}",
                fill("</parameter> ")
            ),
        ),
        ("thoughts", fill("a<think>")),
        ("entities", fill("&lt;tool_call&gt;")),
        ("own patterns", numbered),
    ];
    let mut group = criterion.benchmark_group("adversarial, 1 MiB, 100 patterns");
    group.sample_size(10);
    for (name, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter_batched_ref(
                || Machine::new(rules(&patterns)),
                |machine| run(machine, text),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, prose, adversarial);
criterion_main!(benches);
