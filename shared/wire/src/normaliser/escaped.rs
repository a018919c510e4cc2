//! Text whose marks arrived escaped as in HTML, read once as what it stands for.

const ENTITIES: [(&str, char); 6] = [
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&amp;", '&'),
    ("&quot;", '"'),
    ("&#39;", '\''),
    ("&apos;", '\''),
];

/// Places of a decoded text in the text that it was decoded from.
pub(super) struct Places {
    /// Where an entity stood: the decoded place behind it, and how many bytes more it
    /// was than what it stands for, all before counted.
    more: Vec<(usize, usize)>,
}

impl Places {
    /// The place in the text as it came.
    pub(super) fn of(&self, at: usize) -> usize {
        let before = self.more.partition_point(|(place, _)| *place <= at);
        let more = before.checked_sub(1).map_or(0, |last| self.more[last].1);
        at + more
    }
}

/// What `text` stands for. An entity that its end cuts off is left out unless the text
/// has ended.
pub(super) fn read(text: &str, ended: bool) -> (String, Places) {
    let mut plain = String::with_capacity(text.len());
    let mut more = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity));
        if let Some((entity, letter)) = known {
            plain.push(*letter);
            rest = &rest[entity.len()..];
            more.push((plain.len(), text.len() - rest.len() - plain.len()));
        } else if !ended && ENTITIES.iter().any(|(entity, _)| entity.starts_with(rest)) {
            return (plain, Places { more });
        } else {
            plain.push('&');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    (plain, Places { more })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn entities_are_decoded_once_and_places_are_kept() {
        let text = "&lt;a b=&quot;1 &amp;amp; 2&quot;&gt;&x";
        let (plain, places) = read(text, true);
        assert_eq!(plain, "<a b=\"1 &amp; 2\">&x");
        for (decoded, source) in [(0, 0), (1, 4), (plain.len(), text.len())] {
            assert_eq!(places.of(decoded), source, "{decoded}");
        }
        assert_eq!(read("&lt;x&quo", false).0, "<x");
        assert_eq!(read("&lt;x&quo", true).0, "<x&quo");
    }
}
