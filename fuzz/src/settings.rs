//! The laws of settings: a file of them is refused with every problem, or can be used, and
//! no problem tells a secret.

use store::config::{Config, DotEnv};

/// A secret that must not be told again.
const KEY: &str = "a-key-that-is-no-key-0123456789";

/// The text of a `.env` file.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = match DotEnv::parse(".env", &text) {
        Ok(file) => file,
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                problems
                    .iter()
                    .all(|problem| !problem.to_string().is_empty())
            );
            return;
        }
    };
    let _ = file.unknown();
    let env = |name: &str| (name == "SECRET_KEY").then(|| KEY.to_owned());
    for env in [&env as &dyn Fn(&str) -> Option<String>, &|_| None] {
        if let Err(problems) = Config::load(&file.under(env), None) {
            assert!(!problems.is_empty());
            for problem in problems {
                let told = problem.to_string();
                assert!(!told.is_empty() && !told.contains(KEY), "{told}");
            }
        }
    }
}
