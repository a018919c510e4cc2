//! A store in a folder of its own, where a check needs one. Whoever starts the fuzzer takes
//! the folder away (`TMPDIR`): it ends without a farewell.

use std::path::PathBuf;
use std::sync::OnceLock;

use store::Store;

/// The folder and the store in it.
pub struct Ground {
    /// The folder.
    pub folder: PathBuf,
    /// An empty store.
    pub store: Store,
}

/// The one of this process.
pub fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = Store::open(&folder.join("proxy.db")).expect("a store");
        Ground { folder, store }
    })
}
