//! Lists of pages: page, sort and filters, all in the address.
//!
//! What the query says that a list does not know is passed over, so that no link leads to
//! an error. Links keep everything but what they change, and begin with the first page.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use url::form_urlencoded;

const PAGE: &str = "page";
const PER_PAGE: &str = "per";
const SORT: &str = "sort";

/// Rows of one page, unless the address says otherwise.
const USUAL: usize = 50;
/// What may be chosen.
const PER_PAGES: [usize; 4] = [20, 50, 100, 200];

/// How a list is asked for.
#[derive(Debug)]
pub(crate) struct List {
    path: String,
    /// The page, from 1 on.
    page: usize,
    per_page: usize,
    sort: &'static str,
    descending: bool,
    filters: BTreeMap<&'static str, String>,
}

/// A page of rows.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) pager: Pager,
}

/// Which part of a list is shown, and the links to the others.
#[derive(Debug)]
pub(crate) struct Pager {
    /// The first row's number, from 1 on; 0 of none.
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) total: usize,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
    /// Numbers of rows for a page that may be chosen.
    pub(crate) choices: Vec<PerPage>,
}

/// A number of rows for a page.
#[derive(Debug)]
pub(crate) struct PerPage {
    pub(crate) count: usize,
    pub(crate) link: String,
    pub(crate) is_chosen: bool,
}

impl List {
    /// Reads the query. `sorts` are the columns that can be sorted by, the first one being
    /// the usual; `-` before it makes the usual order a falling one. `filters` are the
    /// names of the filters.
    pub(crate) fn of(req: &HttpRequest, sorts: &[&'static str], filters: &[&'static str]) -> Self {
        Self::read(req.path(), req.query_string(), sorts, filters)
    }

    fn read(path: &str, query: &str, sorts: &[&'static str], filters: &[&'static str]) -> Self {
        let (usual, usual_descending) = direction(sorts.first().copied().unwrap_or(""));
        let mut list = Self {
            path: path.to_owned(),
            page: 1,
            per_page: USUAL,
            sort: usual,
            descending: usual_descending,
            filters: BTreeMap::new(),
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                PAGE => list.page = value.parse().unwrap_or(1).max(1),
                PER_PAGE => {
                    let asked = value.parse().unwrap_or(USUAL);
                    if PER_PAGES.contains(&asked) {
                        list.per_page = asked;
                    }
                }
                SORT => {
                    let (asked, descending) = direction(&value);
                    let known = sorts.iter().map(|own| direction(own).0);
                    if let Some(own) = known.into_iter().find(|own| *own == asked) {
                        list.sort = own;
                        list.descending = descending;
                    }
                }
                other => {
                    let known = filters.iter().find(|own| **own == other);
                    if let Some(own) = known.filter(|_| !value.trim().is_empty()) {
                        list.filters.insert(own, value.trim().to_owned());
                    }
                }
            }
        }
        list
    }

    /// The value of a filter; empty when it is not set.
    pub(crate) fn filter(&self, name: &str) -> &str {
        self.filters.get(name).map_or("", String::as_str)
    }

    /// Whether a filter is set to this value.
    pub(crate) fn is_for(&self, name: &str, value: &(impl ToString + ?Sized)) -> bool {
        let value = value.to_string();
        self.filter(name) == value
    }

    /// Whether any filter is set.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Whether `text` has what the filter `name` asks for, in capitals or not.
    pub(crate) fn finds(&self, name: &str, text: &str) -> bool {
        let wanted = self.filter(name);
        wanted.is_empty() || text.to_lowercase().contains(&wanted.to_lowercase())
    }

    /// The column it is sorted by.
    pub(crate) fn sort(&self) -> &'static str {
        self.sort
    }

    /// The value of the field `sort` in a form of filters.
    pub(crate) fn sort_value(&self) -> String {
        let sign = if self.is_descending() { "-" } else { "" };
        format!("{sign}{}", self.sort)
    }

    /// Whether the order falls.
    pub(crate) fn is_descending(&self) -> bool {
        self.descending
    }

    /// Rows for a page.
    pub(crate) fn per_page(&self) -> usize {
        self.per_page
    }

    /// Rows before this page.
    pub(crate) fn offset(&self) -> usize {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// The address without any filter.
    pub(crate) fn bare(&self) -> &str {
        &self.path
    }

    /// What `aria-sort` says of a column.
    pub(crate) fn aria_sort(&self, column: &str) -> &'static str {
        match (self.sort == column, self.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }

    /// The link that sorts by a column, or the other way round if it is by that already.
    pub(crate) fn sort_link(&self, column: &str) -> String {
        let falls = self.sort == column && !self.descending;
        let sign = if falls { "-" } else { "" };
        self.link(&[(SORT, &format!("{sign}{column}"))])
    }

    /// The link to the same list with other parameters; an empty value takes one out.
    pub(crate) fn link(&self, changes: &[(&str, &str)]) -> String {
        let mut query: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in &self.filters {
            query.insert(name, value.clone());
        }
        if !self.sort.is_empty() {
            query.insert(SORT, self.sort_value());
        }
        if self.per_page != USUAL {
            query.insert(PER_PAGE, self.per_page.to_string());
        }
        for (name, value) in changes {
            query.insert(name, (*value).to_owned());
        }
        query.retain(|_, value| !value.is_empty());
        if query.is_empty() {
            return self.path.clone();
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        format!("{}?{query}", self.path)
    }

    /// Sorts by `key` and gives the page that is asked for; the last one when it is beyond.
    pub(crate) fn page_of<T>(
        mut self,
        mut rows: Vec<T>,
        order: impl Fn(&T, &T) -> std::cmp::Ordering,
    ) -> (Self, Listed<T>) {
        rows.sort_by(order);
        if self.descending {
            rows.reverse();
        }
        let total = rows.len();
        self.page = self.page.min(total.div_ceil(self.per_page).max(1));
        let offset = self.offset();
        let rows = rows.into_iter().skip(offset).take(self.per_page).collect();
        let pager = self.pager(total);
        (self, Listed { rows, pager })
    }

    /// The links around this page of `total` rows.
    pub(crate) fn pager(&self, total: usize) -> Pager {
        let offset = self.offset().min(total);
        let last = offset.saturating_add(self.per_page).min(total);
        let to = |page: usize| self.link(&[(PAGE, &page.to_string())]);
        Pager {
            first: if last > offset { offset + 1 } else { 0 },
            last,
            total,
            previous: (self.page > 1).then(|| to(self.page - 1)),
            next: (last < total).then(|| to(self.page + 1)),
            choices: PER_PAGES
                .into_iter()
                .map(|count| PerPage {
                    count,
                    link: self.link(&[(PER_PAGE, &count.to_string())]),
                    is_chosen: count == self.per_page,
                })
                .collect(),
        }
    }
}

/// A column and whether the order falls: `-name` falls.
fn direction(sort: &str) -> (&str, bool) {
    match sort.strip_prefix('-') {
        Some(column) => (column, true),
        None => (sort, false),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use askama::Template;

    use super::{List, Pager};

    #[derive(Template)]
    #[template(
        ext = "html",
        source = r#"{% import "parts/list.html" as list %}
{% call list::sort(rows, "name", "Name", class="num") %}{% endcall %}
{% call list::kept(rows) %}{% endcall %}
{% call list::search(rows, "q", "Find") %}{% endcall %}
{% call list::select(rows, "state", "State", choices) %}{% endcall %}
{% call list::filter_buttons(rows) %}{% endcall %}
{% call list::pager(pager) %}{% endcall %}"#
    )]
    struct Pieces {
        rows: List,
        pager: Pager,
        choices: Vec<(&'static str, &'static str)>,
    }

    #[test]
    fn the_pieces_of_a_list_link_to_its_other_pages() {
        let (rows, page) =
            list("per=20&sort=name&q=%22a&state=on&page=2").page_of((0..4500).collect(), i32::cmp);
        let pieces = Pieces {
            rows,
            pager: page.pager,
            choices: vec![("on", "On"), ("off", "Off")],
        };
        let html = pieces.render().unwrap();
        for part in [
            "aria-sort=\"ascending\" class=\"num\"",
            "sort=-name",
            "name=\"sort\" value=\"name\"",
            "value=\"&#34;a\"",
            "<option value=\"on\" selected>",
            "href=\"/l\">Clear",
            "21–40 of 4,500",
            "rel=\"prev\"",
            "page=3",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    const SORTS: [&str; 2] = ["-at", "name"];

    fn list(query: &str) -> List {
        List::read("/l", query, &SORTS, &["q", "state"])
    }

    #[test]
    fn what_a_list_does_not_know_is_passed_over() {
        let list = list("page=x&per=7&sort=evil&q=+a+&state=&other=1");
        assert_eq!(list.link(&[]), "/l?q=a&sort=-at");
        assert_eq!((list.offset(), list.per_page()), (0, 50));
        assert!(list.is_descending() && list.is_filtered());
        assert_eq!((list.filter("q"), list.filter("state")), ("a", ""));
    }

    #[test]
    fn links_keep_the_rest_and_begin_at_the_first_page() {
        let list = list("page=3&per=20&sort=name&q=%22%3E%26");
        assert_eq!(list.sort_link("name"), "/l?per=20&q=%22%3E%26&sort=-name");
        assert_eq!(list.sort_link("at"), "/l?per=20&q=%22%3E%26&sort=at");
        assert_eq!(list.aria_sort("name"), "ascending");
        assert_eq!(list.aria_sort("at"), "none");
        assert_eq!(list.link(&[("q", "")]), "/l?per=20&sort=name");
    }

    #[test]
    fn pages_cover_every_row_once() {
        let mut seen = Vec::new();
        let mut query = "per=20&sort=name".to_owned();
        loop {
            let (_, page) = list(&query).page_of((0..45).collect(), i32::cmp);
            seen.extend(page.rows);
            let Some(next) = page.pager.next else { break };
            query = next.trim_start_matches("/l?").to_owned();
        }
        assert_eq!(seen, (0..45).collect::<Vec<_>>());
        let (_, beyond) = list("per=20&page=99&sort=-name").page_of((0..45).collect(), i32::cmp);
        assert_eq!(beyond.rows, [4, 3, 2, 1, 0]);
        assert_eq!((beyond.pager.first, beyond.pager.last), (41, 45));
        let (_, none) = list("").page_of(Vec::new(), i32::cmp);
        assert_eq!((none.pager.first, none.pager.last), (0, 0));
    }
}
