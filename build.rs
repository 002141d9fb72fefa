//! Hands the compiler what `fanout --version` says as `FANOUT_VERSION`: the version, and the commit where there is one
//! (an archive without git has none). Not here: anything that changes what is compiled.

use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FANOUT_COMMIT");
    // Named by whoever packages it; else by `cargo package`, in its archive; else asked of git.
    let commit = std::env::var("FANOUT_COMMIT").ok().or_else(commit_of_archive).or_else(commit_of_repository);
    let short: String = commit.unwrap_or_default().chars().take(12).collect();
    let shown = if short.is_empty() { String::new() } else { format!(" ({short})") };
    println!("cargo::rustc-env=FANOUT_VERSION={}{shown}", env!("CARGO_PKG_VERSION"));
}

/// What `cargo package` wrote down: `{"git": {"sha1": "..."}}`.
fn commit_of_archive() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The commit that is checked out, if this folder itself is the repository and not just somewhere within another one.
fn commit_of_repository() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    // HEAD is written at each switch, its log at each commit too. A path that is not there would make cargo run this
    // every time.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
