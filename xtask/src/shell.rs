//! Running other programs: each step is printed before it runs, and a failure names it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Prints what is being done.
pub fn step(what: &str) {
    eprintln!("==> {what}");
}

/// Runs the command with its output shown.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start: {shown}"))?;
    if !status.success() {
        bail!("failed ({status}): {shown}");
    }
    Ok(())
}

/// Runs the command and gives what it printed, trimmed.
///
/// # Errors
/// When it cannot be started or does not succeed; what it wrote to its error output is in the message.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start: {shown}"))?;
    if !output.status.success() {
        bail!(
            "failed ({}): {shown}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where `program` is on the search path.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// True when this runs as the superuser, who may install packages.
pub fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs a Debian package.
///
/// # Errors
/// When this is not Debian's kind of system or not run as root: then the message says what to run.
pub fn install_package(package: &str, what_for: &str) -> Result<()> {
    let advice =
        format!("{what_for} is missing: install it, on Debian with `apt-get install {package}`");
    if which("apt-get").is_none() || !is_root() {
        bail!(advice);
    }
    step(&format!(
        "installing Debian's package {package} ({what_for})"
    ));
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .args(["-q", "-y"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&["install", "--no-install-recommends", package]).context(advice)
}

/// The search path with `folder` in front.
///
/// # Errors
/// When the folder's name cannot stand in a search path.
pub fn path_with(folder: &Path) -> Result<std::ffi::OsString> {
    let old = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder.to_path_buf()).chain(env::split_paths(&old));
    env::join_paths(all).context("the assets folder's name cannot stand in PATH")
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
