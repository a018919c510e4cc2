//! What the page before has done, told on the next one: a code in the query, so that no
//! link can put words of its own on a page.

use actix_web::HttpRequest;
use url::form_urlencoded;

/// Something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Created,
    Saved,
    Deleted,
    Enabled,
    Disabled,
    Duplicated,
    Imported,
    Undone,
    Reset,
    LoggedOut,
    PasswordChanged,
    Repriced,
    SettingsSaved,
}

impl Notice {
    const ALL: [Self; 13] = [
        Self::Created,
        Self::Saved,
        Self::Deleted,
        Self::Enabled,
        Self::Disabled,
        Self::Duplicated,
        Self::Imported,
        Self::Undone,
        Self::Reset,
        Self::LoggedOut,
        Self::PasswordChanged,
        Self::Repriced,
        Self::SettingsSaved,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Saved => "saved",
            Self::Deleted => "deleted",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Duplicated => "duplicated",
            Self::Imported => "imported",
            Self::Undone => "undone",
            Self::Reset => "reset",
            Self::LoggedOut => "logged-out",
            Self::PasswordChanged => "password-changed",
            Self::Repriced => "repriced",
            Self::SettingsSaved => "settings-saved",
        }
    }

    /// What is said.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Created => "Created. The gateway has it within a second.",
            Self::Saved => "Saved. The gateway follows within a second.",
            Self::Deleted => "Deleted.",
            Self::Enabled => "Switched on.",
            Self::Disabled => "Switched off.",
            Self::Duplicated => {
                "Duplicated, and switched off: change what differs, then switch it on."
            }
            Self::Imported => "Imported.",
            Self::Undone => "Undone: the row is as it was before.",
            Self::Reset => "Reset.",
            Self::LoggedOut => "You are logged out.",
            Self::SettingsSaved => "Saved. Beside each setting it says when it takes effect.",
            Self::PasswordChanged => "The password is changed; other sessions have ended.",
            Self::Repriced => "The calls are charged anew; all sums follow.",
        }
    }

    /// What the request's query says was done.
    pub(crate) fn of(req: &HttpRequest) -> Option<Self> {
        let mut query = form_urlencoded::parse(req.query_string().as_bytes());
        let (_, code) = query.find(|(name, _)| name == "notice")?;
        Self::ALL.into_iter().find(|notice| notice.code() == code)
    }

    /// `path` with this notice.
    pub(crate) fn at(self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}notice={}", self.code())
    }
}
