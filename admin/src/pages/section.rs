//! The sections of the admin app, in the order of the navigation.

/// A section: its name and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Endpoints,
    Models,
    Patterns,
    Usage,
    Activity,
    Keys,
    Settings,
    Connect,
    Audit,
}

impl Section {
    /// Every section.
    pub(crate) const ALL: [Self; 10] = [
        Self::Overview,
        Self::Endpoints,
        Self::Models,
        Self::Patterns,
        Self::Usage,
        Self::Activity,
        Self::Keys,
        Self::Settings,
        Self::Connect,
        Self::Audit,
    ];

    /// Its address.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Overview => "/proxy-dashboard",
            Self::Endpoints => "/proxy-dashboard/endpoints",
            Self::Models => "/proxy-dashboard/models",
            Self::Patterns => "/proxy-dashboard/patterns",
            Self::Usage => "/proxy-dashboard/usage",
            Self::Activity => "/proxy-dashboard/activity",
            Self::Keys => "/proxy-dashboard/keys",
            Self::Settings => "/proxy-dashboard/settings",
            Self::Connect => "/proxy-dashboard/connect",
            Self::Audit => "/proxy-dashboard/audit",
        }
    }

    /// Its name in the navigation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Endpoints => "Endpoints",
            Self::Models => "Virtual models",
            Self::Patterns => "Patterns",
            Self::Usage => "Usage & cost",
            Self::Activity => "Activity",
            Self::Keys => "Keys",
            Self::Settings => "Settings",
            Self::Connect => "Connect",
            Self::Audit => "Audit",
        }
    }

    /// The section that the page at `path` belongs to.
    pub(crate) fn at(path: &str) -> Self {
        let is_at = |section: &Self| {
            *section != Self::Overview
                && path
                    .strip_prefix(section.path())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        Self::ALL.into_iter().find(is_at).unwrap_or(Self::Overview)
    }
}

#[cfg(test)]
mod tests {
    use super::Section;

    #[test]
    fn a_page_belongs_to_the_section_it_is_under() {
        for section in Section::ALL {
            assert_eq!(Section::at(section.path()), section);
            assert_eq!(Section::at(&format!("{}/1/edit", section.path())), section);
        }
        assert_eq!(Section::at("/"), Section::Overview);
        assert_eq!(Section::at("/proxy-dashboard/keyssss"), Section::Overview);
    }
}
