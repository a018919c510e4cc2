//! The list of settings as text, for `.env.example` and for the documentation.

use super::SETTINGS;

/// The whole of `.env.example`: every setting with its help line and its default, commented
/// out, so that a copy of the file pins nothing by itself.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Settings of the gateway and the admin app. Copy this file to .env and uncomment what\n\
         # you change; what is written here is the default. A variable of the real environment\n\
         # wins over this file, and both win over settings stored by the admin app. Put values\n\
         # with spaces, $, # or quotes into single quotes.\n",
    );
    for setting in SETTINGS {
        text.push_str(&format!("\n# {}\n", setting.help));
        for alias in setting.aliases {
            text.push_str(&format!("# {alias} is accepted too.\n"));
        }
        let default = setting.default.unwrap_or_default();
        text.push_str(&format!("#{}={default}\n", setting.name));
    }
    text
}

/// The settings as a Markdown table.
pub fn reference_table() -> String {
    let mut text =
        String::from("| variable | default | meaning | stored setting |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let names: Vec<_> = setting.names().map(|name| format!("`{name}`")).collect();
        let code = |text: Option<&str>| text.map_or(String::new(), |text| format!("`{text}`"));
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            names.join(", "),
            code(setting.default),
            setting.help,
            code(setting.stored)
        ));
    }
    text
}
