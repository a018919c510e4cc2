//! The law of framing, for the tests of each: any split of the input gives the same
//! frames.

/// Checks each input's frames, as text, whole, cut in two anywhere, and byte by byte.
pub(crate) fn check(cases: &[(&str, &[&str])], frames: impl Fn(&[&[u8]]) -> Vec<String>) {
    for (input, expected) in cases {
        let bytes = input.as_bytes();
        assert_eq!(frames(&[bytes]), *expected, "{input:?}");
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(frames(&[a, b]), *expected, "{input:?} cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(&single), *expected, "{input:?} byte by byte");
    }
}
