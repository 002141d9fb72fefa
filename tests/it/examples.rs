//! The plans that are shown to people: every file of `examples/`, and every whole plan in the README and in `docs/`, is
//! read and checked as `fanout check` would. Not here: running them.

use fanout::plan::{Overrides, Plan};
use std::fs;
use std::path::{Path, PathBuf};

/// How a block in a text begins that is a whole plan.
const PLAN: &str = "```toml\nversion = 1\n";

#[test]
fn every_example_is_a_plan_without_mistakes() {
    let plans = files("examples", "toml");
    assert!(plans.len() >= 2, "examples are missing: {plans:?}");
    for path in plans {
        if let Err(errors) = Plan::load(&path, &Overrides::default()) {
            panic!("{errors}");
        }
    }
}

#[test]
fn every_whole_plan_in_the_texts_is_without_mistakes() {
    let mut seen = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in files("docs", "md").into_iter().chain([root.join("README.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices(PLAN) {
            let line = text[..at].lines().count() + 2;
            let block = &text[at + "```toml\n".len()..];
            let plan = block.split("\n```").next().unwrap_or_default().to_owned();
            // In a folder without any files: what a text shows must not depend on what lies beside it.
            let folder = tempfile::tempdir().unwrap();
            if let Err(errors) = Plan::of_text(&folder.path().join("plan.toml"), plan, &Overrides::default())
            {
                panic!("the plan at {}:{line}:\n{errors}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} plans were found in the texts");
}

/// All files of a folder of this package, and of those below, with an ending.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
