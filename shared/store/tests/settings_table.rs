//! The table of settings in the guide is what the list of settings says.

#[test]
fn the_guide_lists_the_settings_as_they_are() {
    let table = store::config::reference_table();
    assert!(
        include_str!("../../../docs/configure.md").contains(&table),
        "put this table into docs/configure.md:\n\n{table}"
    );
}
