//! The patterns that every store begins with: one row for each way of writing calls that
//! is known of some model.
//!
//! The names of the ten that the original had are kept; what reads them is new.

use super::pattern::{Form, NameFrom, Pattern, Strength};

/// A pattern of the product's own.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name, never changed once released.
    pub name: &'static str,
    /// Who writes so, for people.
    pub about: &'static str,
    /// What reads the call.
    pub form: Form,
    /// How sure its opening is.
    pub strength: Strength,
    /// What finds it.
    pub regex: &'static str,
    /// The capture group with the tool's name.
    pub group: Option<u32>,
    /// Of patterns that begin at the same place the higher is tried first.
    pub priority: i64,
    /// Whether a new store has it switched on.
    pub enabled: bool,
    /// Names as models write them to names as callers offer them.
    pub tool_names: &'static [(&'static str, &'static str)],
    /// The same for parameters.
    pub parameters: &'static [(&'static str, &'static str)],
}

impl Builtin {
    const fn strong(
        name: &'static str,
        priority: i64,
        form: Form,
        regex: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            about,
            form,
            strength: Strength::Strong,
            regex,
            group: None,
            priority,
            enabled: true,
            tool_names: &[],
            parameters: &[],
        }
    }

    const fn weak(
        name: &'static str,
        priority: i64,
        form: Form,
        regex: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            strength: Strength::Weak,
            ..Self::strong(name, priority, form, regex, about)
        }
    }

    /// The first capture group is the tool's name.
    const fn named(self) -> Self {
        Self {
            group: Some(1),
            ..self
        }
    }

    /// The pattern, known by `id`.
    #[must_use]
    pub fn pattern(&self, id: i64) -> Pattern {
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
            pairs.collect()
        };
        Pattern {
            id,
            name: self.name.to_owned(),
            form: self.form,
            regex: self.regex.to_owned(),
            strength: self.strength,
            tool: NameFrom {
                group: self.group,
                ..NameFrom::default()
            },
            tool_names: owned(self.tool_names),
            parameters: owned(self.parameters),
            priority: self.priority,
        }
    }
}

use Form::{Action, Arguments, Calls, CodeBlock, Gemma, Harmony, Pairs, Parameters, React, Tag};

/// All of them.
pub const BUILTINS: &[Builtin] = &[
    Builtin::weak(
        "fence_json",
        100,
        CodeBlock,
        r"```",
        "JSON in a code block at the end of the answer, or a block that is all of it",
    ),
    Builtin::strong(
        "fence_tool_call",
        101,
        CodeBlock,
        r"```(?:tool_calls?|tool_code|tool_use|function_calls?|tools?)[ \t]*(?:\r?\n|$|\{)",
        "code blocks in a language such as tool_call or tool_code",
    ),
    Builtin::weak(
        "inline_json",
        90,
        Calls,
        r#"\{\s*["']|\[\s*\{"#,
        "JSON alone on the last lines: Llama 3, xLAM, models without a template",
    ),
    Builtin::weak(
        "python_list",
        89,
        Calls,
        r"\[\s*[A-Za-z_]",
        "Llama 4, ToolACE: a Python list of calls",
    ),
    Builtin::weak(
        "python_bare",
        55,
        Calls,
        r"[A-Za-z_][A-Za-z0-9_.\-]*[ ]?\(",
        "one Python call a line at the end of the answer",
    ),
    Builtin::strong(
        "tool_call_nested_xml",
        96,
        Parameters,
        r"<(?:seed:)?tool_call>\s*<function=([^<>\s]+)\s*>",
        "Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5, MiMo, Seed-OSS",
    )
    .named(),
    Builtin::weak(
        "function_parameters",
        95,
        Parameters,
        r"<function=([^<>\s]+)\s*>",
        "Qwen3-Coder without its wrapper",
    )
    .named(),
    Builtin::weak(
        "function_json",
        94,
        Arguments,
        r"<function=([^<>\s]+)\s*>\s*",
        "Llama 3 with JSON in its function tag",
    )
    .named(),
    Builtin::strong(
        "tool_name",
        93,
        Parameters,
        r"<tool_call>\s*<tool_name>\s*([^<>\s]+)\s*</tool_name>",
        "Qwen with the name in a tag of its own",
    )
    .named(),
    Builtin::strong(
        "glm",
        88,
        Pairs,
        r"(?:<tool_calls(?::[A-Za-z0-9_]+)?>\s*)?<tool_call(?::[A-Za-z0-9_]+)?>\s*([A-Za-z0-9_.\-]+)(?:\s|\\n)*(?:<tool_sep(?::[A-Za-z0-9_]+)?>)?",
        "GLM-4.5 and later, Hunyuan 3, Ling 3: keys and values in tags of their own",
    )
    .named(),
    Builtin::strong(
        "tool_call_bare_param",
        87,
        Parameters,
        r"<tool_call>\s*([A-Za-z0-9_.\-]+)\s*",
        "Qwen3-Coder with the name as plain text",
    )
    .named(),
    Builtin::strong(
        "tool_call_alt",
        85,
        Calls,
        r"\[TOOL_CALL\]\s*",
        "MiniMax: JSON between [TOOL_CALL] marks",
    ),
    Builtin::strong(
        "tool_use",
        80,
        Arguments,
        r#"<tool_use(?:\s+code)?\s+name\s*=\s*"([^"<>]+)"\s*>\s*"#,
        "a tool_use tag with the name in it",
    )
    .named(),
    Builtin::strong(
        "tool_use_json",
        79,
        Calls,
        r"<tool_use(?:\s+code)?>\s*",
        "a tool_use tag with JSON",
    ),
    Builtin::strong(
        "tool_code",
        80,
        Calls,
        r"<tool_code>\s*",
        "Gemma and OpenCode: JSON or Python in tool_code tags",
    ),
    Builtin::strong(
        "tool_call",
        80,
        Calls,
        r"<tool_call>\s*(?:<tool_call>\s*)?",
        "Hermes, Qwen2.5, Qwen3, Granite 4, Ernie 4.5, xLAM and many more",
    ),
    Builtin::strong(
        "bracket_tool",
        70,
        Arguments,
        r"\[tool\]\s*([A-Za-z0-9_.\-]+)\s*\[/tool\]\s*",
        "the name between [tool] marks, JSON behind them",
    )
    .named(),
    Builtin::strong(
        "mistral",
        82,
        Calls,
        r"\[TOOL_CALLS\]\s*(?:\[TOOL_CALLS\]\s*)?",
        "Mistral 7B, Nemo, Mixtral: a list behind [TOOL_CALLS]",
    ),
    Builtin::strong(
        "mistral_named",
        81,
        Arguments,
        r"\[TOOL_CALLS\]\s*(?:\[TOOL_CALLS\]\s*)?([A-Za-z0-9_.\-]+)\s*(?:\[CALL_ID\]\s*[A-Za-z0-9_\-]*\s*)?(?:\[ARGS\])?\s*",
        "Mistral Small 3, Devstral, Magistral: name and JSON behind [TOOL_CALLS]",
    )
    .named(),
    Builtin::weak(
        "mistral_stripped",
        54,
        Arguments,
        r"([A-Za-z_][A-Za-z0-9_.\-]*)\s?(?:\[CALL_ID\]\s*[A-Za-z0-9_\-]*\s*)?(?:\[ARGS\]\s*)?",
        "the same without its special token: name and JSON alone",
    )
    .named(),
    Builtin::strong(
        "deepseek",
        84,
        Arguments,
        r"(?:<[｜|]tool[▁_]calls[▁_]begin[｜|]>\s*){0,4}<[｜|]tool[▁_]call[▁_]begin[｜|]>\s*(?:function\s*<[｜|]tool[▁_]sep[｜|]>\s*)?([A-Za-z0-9_.\-]+)\s*(?:<[｜|]tool[▁_]sep[｜|]>)?\s*(?:```)?(?:json)?\s*",
        "DeepSeek V3, R1 and V3.1",
    )
    .named(),
    Builtin::strong(
        "step3",
        86,
        Parameters,
        r#"(?:<[｜|]tool[▁_]calls[▁_]begin[｜|]>\s*){0,4}(?:<[｜|]tool[▁_]call[▁_]begin[｜|]>\s*function\s*<[｜|]tool[▁_]sep[｜|]>\s*)?<steptml:invoke\s+name\s*=\s*"([^"<>]+)"\s*>"#,
        "Step 3",
    )
    .named(),
    Builtin::strong(
        "dsml",
        83,
        Parameters,
        r#"(?:<[｜|]+DSML[｜|]+(?:function_calls|tool_calls)>\s*)?<[｜|]+DSML[｜|]+invoke\s+name\s*=\s*"([^"<>]+)"\s*>"#,
        "DeepSeek V3.2 and V4",
    )
    .named(),
    Builtin::strong(
        "kimi_k2",
        78,
        Arguments,
        r"(?:<\|tool_calls_section_begin\|>\s*){0,4}<\|tool_call_begin\|>\s*([A-Za-z0-9_.:\-]+)\s*<\|tool_call_argument_begin\|>\s*",
        "Kimi K2, K2 Thinking, K2.5",
    )
    .named(),
    Builtin::weak(
        "kimi_stripped",
        77,
        Arguments,
        r"([A-Za-z_][A-Za-z0-9_.\-]*(?::[0-9]+)?)\s*<\|tool_call_argument_begin\|>\s*",
        "the same without its first tokens",
    )
    .named(),
    Builtin::strong(
        "tool_calls",
        76,
        Calls,
        r"<tool_calls>\s*(?:<tool_calls>\s*)?",
        "MiniMax M1, Jamba, Hunyuan A13B",
    ),
    Builtin::strong(
        "minimax_m2",
        75,
        Parameters,
        r#"<minimax:tool_call>\s*<invoke\s+name\s*=\s*"([^"<>]+)"\s*>"#,
        "MiniMax M2, M2.1, M2.5",
    )
    .named(),
    Builtin::strong(
        "minimax_m3",
        74,
        Parameters,
        r#"\]<\]minimax\[>\[<tool_call>\s*\]<\]minimax\[>\[<invoke\s+name\s*=\s*"([^"<>]+)"\s*>"#,
        "MiniMax M3",
    )
    .named(),
    Builtin::strong(
        "claude_invoke",
        73,
        Parameters,
        r#"(?:<(?:\x61ntml:)?function_calls>\s*)?<(?:\x61ntml:)?invoke\s+name\s*=\s*"([^"<>]+)"\s*>"#,
        "models trained on Claude's transcripts",
    )
    .named(),
    Builtin::strong(
        "function_calls",
        72,
        Calls,
        r"<function_calls>\s*",
        "OLMo 3: Python calls in function_calls tags",
    ),
    Builtin::strong(
        "granite",
        71,
        Calls,
        r"<\|tool_call\|>\s*(?:functools\s*)?",
        "Granite 3.0, Phi-4-mini",
    ),
    Builtin::strong(
        "function_call",
        69,
        Calls,
        r"<function_call>\s*(?:<function_call>\s*)?",
        "Granite 20B and others: function_call tags",
    ),
    Builtin::strong(
        "internlm",
        68,
        Calls,
        r"<\|action_start\|>\s*(?:<\|plugin\|>)?\s*",
        "InternLM 2 and 3, Intern-S1",
    ),
    Builtin::strong(
        "functools",
        67,
        Calls,
        r"functools\s*",
        "Phi-4-mini",
    ),
    Builtin::strong(
        "cohere_action",
        66,
        Calls,
        r"<\|START_ACTION\|>\s*",
        "Command R7B and Command A",
    ),
    Builtin::strong(
        "lfm2",
        65,
        Calls,
        r"<\|tool_call_start\|>\s*",
        "LFM2",
    ),
    Builtin::strong(
        "apertus",
        64,
        Calls,
        r"<\|tools_prefix\|>\s*",
        "Apertus",
    ),
    Builtin::strong(
        "nemotron",
        63,
        Calls,
        r"<TOOLCALL>\s*",
        "Nemotron",
    ),
    Builtin::strong(
        "longcat",
        62,
        Calls,
        r"<longcat_tool_call>\s*",
        "LongCat",
    ),
    Builtin::strong(
        "python_tag",
        61,
        Calls,
        r"<\|python_(?:tag|start)\|>\s*",
        "Llama 3 and 4 with their special tokens",
    ),
    Builtin::strong(
        "gemma4",
        59,
        Gemma,
        r"<\|tool_call>\s*call:\s*([A-Za-z0-9_.\-]+)\s*",
        "Gemma 4",
    )
    .named(),
    Builtin::strong(
        "functiongemma",
        58,
        Gemma,
        r"<start_function_call>\s*call:\s*([A-Za-z0-9_.\-]+)\s*",
        "FunctionGemma",
    )
    .named(),
    Builtin::strong(
        "harmony",
        57,
        Harmony,
        r"<\|start\|>|<\|channel\|>",
        "gpt-oss",
    ),
    Builtin::strong(
        "harmony_stripped",
        56,
        Arguments,
        r"(?:assistant)?commentary to=([A-Za-z0-9_.\-]+)\s*(?:<\|constrain\|>\s*)?(?:json|code)\s*(?:<\|message\|>)?\s*",
        "gpt-oss without its special tokens",
    )
    .named(),
    Builtin::weak(
        "react",
        53,
        React,
        r"Action:",
        "ReAct prompts, Command R",
    ),
    Builtin::weak(
        "xml_tool_tag",
        52,
        Tag,
        r"<([A-Za-z_][A-Za-z0-9_.\-]*)",
        "Cline, Roo and GLM 5: a tag that is named like the tool",
    )
    .named(),
    Builtin {
        enabled: false,
        tool_names: ACTION_WORDS,
        parameters: &[("action", "action")],
        ..Builtin::weak(
            "action",
            60,
            Action,
            r"\[([a-zA-Z][^\]]+)\]",
            "bracketed words such as [reading the file]; off, because prose has them too",
        )
    },
];

/// Words of the original's `action` pattern and the tools that they announce.
const ACTION_WORDS: &[(&str, &str)] = &[
    ("searching", "grep"),
    ("search", "grep"),
    ("using task", "task"),
    ("task", "task"),
    ("reading", "read"),
    ("read", "read"),
    ("listing", "glob"),
    ("ls", "glob"),
    ("glob", "glob"),
    ("writing", "write"),
    ("write", "write"),
    ("editing", "edit"),
    ("edit", "edit"),
    ("running", "bash"),
    ("bash", "bash"),
    ("executing", "bash"),
];
