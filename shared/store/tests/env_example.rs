//! The tree's `.env.example` is what the list of settings says.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use store::config::{Config, DotEnv, env_example, reference_table};

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "asks whether to write the file anew, and decides nothing of the program"
)]
fn env_example_of_the_tree_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.env.example");
    if std::env::var_os("UPDATE_ENV_EXAMPLE").is_some() {
        std::fs::write(&path, env_example()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        written,
        env_example(),
        "run this test with UPDATE_ENV_EXAMPLE=1 to write {}",
        path.display()
    );
}

#[test]
fn env_example_sets_nothing_and_uncommented_means_the_defaults() {
    let nothing = |_: &str| None;
    let defaults = Config::load(&nothing, None).unwrap();
    let uncommented: String = env_example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for (text, lowest) in [
        (env_example(), 0),
        (uncommented, store::config::SETTINGS.len()),
    ] {
        let file = DotEnv::parse(".env", &text).unwrap();
        assert_eq!(file.unknown(), Vec::<&str>::new());
        let env = file.under(&nothing);
        let set = store::config::SETTINGS
            .iter()
            .filter(|setting| env(setting.name).is_some());
        assert_eq!(set.count(), lowest);
        let mut config = Config::load(&env, None).unwrap();
        // Settings that remember whether they are set; their values are the defaults.
        let interval = &mut config.health_check_interval;
        let set = interval.environment.take();
        assert_eq!(set, (lowest > 0).then_some(interval.default));
        let audit = &mut config.audit_days;
        let set = audit.environment.take();
        assert_eq!(set, (lowest > 0).then_some(audit.default));
        let exposure = &mut config.exposure;
        let set = exposure.environment_mode.take();
        assert_eq!(set, (lowest > 0).then_some(exposure.default_mode));
        let set = exposure.environment_trusted.take();
        assert_eq!(
            set.as_ref(),
            (lowest > 0).then_some(&exposure.default_trusted)
        );
        assert_eq!(config, defaults);
    }
}

#[test]
fn reference_table_has_a_row_a_setting() {
    let table = reference_table();
    for setting in store::config::SETTINGS {
        assert!(
            table.contains(&format!("| `{}`", setting.name)),
            "{}",
            setting.name
        );
    }
    assert!(table.contains("`ADMIN_PORT`, `FLASK_PORT`"));
}
