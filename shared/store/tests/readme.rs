//! The README's table of settings is what the list of settings says.

#[test]
fn readme_lists_the_settings_as_they_are() {
    let table = store::config::reference_table();
    assert!(
        include_str!("../../../README.md").contains(&table),
        "put this table into README.md, under Settings:\n\n{table}"
    );
}
