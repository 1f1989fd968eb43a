//! What the tests find in their surroundings, and how each thing is named.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root folder.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        manifest.parent().unwrap().to_path_buf()
    })
}

/// The published test data: `HANDOVER_SHARED`, or `shared` beside the workspace. Without it a test is skipped loudly,
/// and in CI it fails.
pub fn shared_data() -> Option<PathBuf> {
    let shared =
        env::var_os("HANDOVER_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let data = shared.join("data");
    if data.is_dir() {
        return Some(data);
    }
    assert!(
        env::var_os("CI").is_none(),
        "CI needs the shared test data, and {} is not there",
        data.display()
    );
    eprintln!(
        "\n*** SKIPPED: no shared test data at {} ***\n",
        data.display()
    );
    None
}

/// The folder that `cargo xtask setup --test` fills.
pub fn assets() -> PathBuf {
    env::var_os("HANDOVER_ASSETS").map_or_else(|| root().join("target/assets"), PathBuf::from)
}

/// A program of the tests' Python environment, such as `mllp_send`.
pub fn python_program(name: &str) -> PathBuf {
    let program = assets().join("venv/bin").join(name);
    assert!(
        program.exists(),
        "{name} is not there: run `cargo xtask setup --test`"
    );
    program
}

/// The handover binary: `HANDOVER_TEST_BINARY`, or one built now.
pub fn handover() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = env::var_os("HANDOVER_TEST_BINARY") {
            return PathBuf::from(named);
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--package", "handover"])
            .current_dir(root())
            .status()
            .unwrap();
        assert!(built.success(), "the handover binary does not build");
        // This test stands in <target>/debug/deps.
        env::current_exe()
            .unwrap()
            .ancestors()
            .nth(2)
            .unwrap()
            .join("handover")
    })
}
