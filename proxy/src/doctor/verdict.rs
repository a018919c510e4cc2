//! What was found, section by section.

use std::process::ExitCode;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// It works, but not for long, or not as one might think.
    Warning,
    /// Something does not work.
    Error,
}

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) severity: Severity,
    pub(super) what: String,
    /// Empty when nothing is to be done.
    pub(super) todo: String,
}

/// Findings about one thing.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) verdicts: Vec<Verdict>,
}

impl Section {
    pub(super) fn new(title: &'static str) -> Self {
        Self {
            title,
            verdicts: Vec::new(),
        }
    }

    pub(super) fn ok(&mut self, what: impl Into<String>) {
        self.say(Severity::Ok, what, "");
    }

    pub(super) fn note(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.say(Severity::Note, what, todo);
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.say(Severity::Warning, what, todo);
    }

    pub(super) fn error(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.say(Severity::Error, what, todo);
    }

    fn say(&mut self, severity: Severity, what: impl Into<String>, todo: impl Into<String>) {
        self.verdicts.push(Verdict {
            severity,
            what: what.into(),
            todo: todo.into(),
        });
    }
}

/// All sections.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) sections: Vec<Section>,
}

impl Report {
    /// Adds a section that has something to say.
    pub(super) fn add(&mut self, section: Section) {
        if !section.verdicts.is_empty() {
            self.sections.push(section);
        }
    }

    /// How many findings are so bad.
    pub(super) fn count(&self, severity: Severity) -> usize {
        let verdicts = self.sections.iter().flat_map(|section| &section.verdicts);
        verdicts
            .filter(|verdict| verdict.severity == severity)
            .count()
    }

    /// 0 when all is well, 1 with warnings, 2 with errors.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        if self.count(Severity::Error) > 0 {
            2
        } else {
            u8::from(self.count(Severity::Warning) > 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Section};

    #[test]
    fn the_worst_finding_decides() {
        let mut report = Report::default();
        report.add(Section::new("nothing"));
        assert_eq!((report.sections.len(), report.code()), (0, 0));
        let mut section = Section::new("a");
        section.ok("well");
        section.note("so", "");
        report.add(section);
        assert_eq!(report.code(), 0);
        let mut section = Section::new("b");
        section.warning("hm", "look");
        report.add(section);
        assert_eq!(report.code(), 1);
        let mut section = Section::new("c");
        section.error("oh", "do");
        report.add(section);
        assert_eq!(report.code(), 2);
    }
}
