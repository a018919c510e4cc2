//! What every page has around its content: navigation, who is there, the theme, a notice.
//!
//! A page's template has a field `shell` of this type and extends `layout.html`; it fills
//! the blocks `title` and `content`. Forms that change something begin with
//! `{{ shell.token_field() }}`.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::Method;
use askama::filters::HtmlSafe;
use store::Zone;

use super::form::TOKEN;
use super::notice::Notice;
use super::section::Section;
use super::theme::Theme;
use crate::access::Visitor;
use crate::shown::{When, Whole};

/// The frame of a page.
pub(crate) struct Shell {
    pub(crate) section: Section,
    /// Who is there.
    pub(crate) user: String,
    /// `admin` or `viewer`.
    pub(crate) role: &'static str,
    pub(crate) theme: Theme,
    pub(crate) notice: Option<Notice>,
    pub(crate) version: &'static str,
    pub(crate) can_log_out: bool,
    /// Whether buttons and forms that change something are of use.
    pub(crate) may_change: bool,
    /// Where the theme's form leads back to.
    pub(crate) here: String,
    token: String,
    zone: Zone,
}

impl Shell {
    /// The frame of the page that answers `req`. Behind the guard there is a visitor; a
    /// page without one would offer nothing.
    pub(crate) fn of(req: &HttpRequest, section: Section) -> Self {
        let visitor = Visitor::of(req);
        let visitor = visitor.as_deref();
        let is_read = req.method() == Method::GET || req.method() == Method::HEAD;
        let here = if is_read {
            req.uri().path_and_query().map(ToString::to_string)
        } else {
            None
        };
        Self {
            section,
            user: visitor
                .map(|visitor| visitor.user.clone())
                .unwrap_or_default(),
            role: visitor.map_or("", |visitor| visitor.role.id()),
            theme: Theme::of(req),
            notice: Notice::of(req),
            version: env!("CARGO_PKG_VERSION"),
            can_log_out: visitor.is_some_and(|visitor| visitor.session.is_some()),
            may_change: visitor.is_some_and(Visitor::may_change),
            here: here.unwrap_or_else(|| section.path().to_owned()),
            token: visitor
                .map(|visitor| visitor.form_token.clone())
                .unwrap_or_default(),
            zone: visitor
                .map(|visitor| visitor.zone.clone())
                .unwrap_or_default(),
        }
    }

    /// The navigation: each section and whether it is this one.
    pub(crate) fn navigation(&self) -> impl Iterator<Item = (Section, bool)> {
        let own = self.section;
        Section::ALL
            .into_iter()
            .map(move |section| (section, section == own))
    }

    /// Each theme and whether it is the one in use.
    pub(crate) fn themes(&self) -> impl Iterator<Item = (Theme, bool)> {
        let own = self.theme;
        Theme::ALL
            .into_iter()
            .map(move |theme| (theme, theme == own))
    }

    /// The hidden field without which no form is taken.
    pub(crate) fn token_field(&self) -> TokenField<'_> {
        TokenField(&self.token)
    }

    /// A moment in the configured zone.
    pub(crate) fn time(&self, at: impl Whole) -> When {
        When::new(&self.zone, i64::try_from(at.whole()).unwrap_or(i64::MAX))
    }

    /// The configured zone.
    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }
}

/// The hidden field; its value is hexadecimal.
pub(crate) struct TokenField<'a>(&'a str);

impl fmt::Display for TokenField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<input type=\"hidden\" name=\"{TOKEN}\" value=\"{}\">",
            self.0
        )
    }
}

impl HtmlSafe for TokenField<'_> {}
