//! Accessibility by axe-core: what of a page is a serious or critical fault.

use std::path::Path;
use std::process::Command;

use crate::chrome::Chrome;

/// The faults that count, each as its rule, what it asks for, and where.
const FAULTS: &str = "
return axe.run(document, { resultTypes: ['violations'] }).then((result) =>
  result.violations
    .filter((fault) => fault.impact === 'serious' || fault.impact === 'critical')
    .flatMap((fault) => fault.nodes.map((node) =>
      `${fault.id}: ${fault.help}: ${node.html.slice(0, 160)} (${node.any.map((one) => one.message).join('; ')})`)));
";

/// axe-core, which is not of this tree.
pub(crate) struct Axe {
    script: String,
}

impl Axe {
    /// Installs it when it is not here yet.
    pub(crate) fn installed() -> Self {
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/axe/install");
        let output = Command::new(install).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = String::from_utf8(output.stdout).unwrap();
        let script = std::fs::read_to_string(file.trim()).unwrap();
        Self { script }
    }

    /// What is wrong with the page that is shown.
    pub(crate) async fn faults(&self, chrome: &Chrome) -> Vec<String> {
        let script = format!("{}\n{FAULTS}", self.script);
        let found = chrome.run(&script).await;
        let faults = found.as_array().unwrap().iter();
        faults
            .map(|fault| fault.as_str().unwrap().to_owned())
            .collect()
    }
}
