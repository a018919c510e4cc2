//! How much a model is to think, in the terms of the model.

use super::super::model::{Model, Thinks};
use super::body::Thinking;
use crate::hub::{Effort, Note};

/// The least budget that the vendor takes, in tokens.
const LEAST: u64 = 1024;

/// What is asked of a model's thinking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    /// It thinks whatever it is told.
    always: bool,
}

impl Plan {
    pub(super) fn of(effort: Option<Effort>, model: &Model, notes: &mut Vec<Note>) -> Self {
        let always = model.thinks == Thinks::Always;
        let mut plan = Self {
            thinking: None,
            effort: None,
            always,
        };
        let Some(effort) = effort else {
            return plan;
        };
        match model.thinks {
            Thinks::Never if effort == Effort::None => {}
            Thinks::Never => notes.push(Note::dropped(
                "reasoning_effort",
                "the model does not think before it answers",
            )),
            Thinks::Budget | Thinks::Adaptive if effort == Effort::None => {
                plan.thinking = Some(Thinking::Disabled);
            }
            Thinks::Budget => {
                plan.thinking = Some(Thinking::Enabled {
                    budget_tokens: budget(effort),
                });
            }
            Thinks::Adaptive | Thinks::Always => {
                // Without a display, newer models sign their thinking but do not show it.
                plan.thinking = Some(Thinking::Adaptive {
                    display: "summarized",
                });
                if effort == Effort::None {
                    notes.push(Note::adapted(
                        "reasoning_effort",
                        "low: the model cannot be told not to think",
                    ));
                }
                plan.effort = model.effort.then(|| level(effort));
            }
        }
        plan
    }

    pub(super) fn is_on(&self) -> bool {
        self.always
            || matches!(
                self.thinking,
                Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. })
            )
    }

    /// Whether the request says not to think.
    pub(super) fn is_off(&self) -> bool {
        self.thinking == Some(Thinking::Disabled)
    }

    pub(super) fn budget(&self) -> Option<u64> {
        match self.thinking {
            Some(Thinking::Enabled { budget_tokens }) => Some(budget_tokens),
            Some(Thinking::Adaptive { .. } | Thinking::Disabled) | None => None,
        }
    }

    /// No thinking in this request, where the model can do without.
    pub(super) fn switch_off(&mut self, why: &'static str, notes: &mut Vec<Note>) {
        if self.is_on() && !self.always {
            self.thinking = Some(Thinking::Disabled);
            notes.push(Note::dropped("reasoning_effort", why));
        }
    }

    /// Keeps the budget below the answer's limit, as the vendor demands. By now tools
    /// and history are written for a model that thinks, so this never ends it: every
    /// model with a budget can answer at greater length than the least of them.
    pub(super) fn fit(&mut self, max_tokens: u64) {
        if let Some(budget) = self.budget().filter(|budget| *budget >= max_tokens) {
            self.thinking = Some(Thinking::Enabled {
                budget_tokens: budget.min(max_tokens / 2).max(LEAST),
            });
        }
    }
}

fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => LEAST,
        Effort::Medium => 4 * LEAST,
        Effort::High => 16 * LEAST,
        Effort::XHigh | Effort::Max => 24 * LEAST,
    }
}

fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}
