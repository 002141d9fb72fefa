//! Which jobs of a plan are to run: by name, by source, without some. Naming a job brings what it needs.

use super::{Job, Plan};
use crate::expr::suggest;
use std::collections::BTreeSet;

/// What to run of a plan. Empty: all of it. Names may hold `*` and `?`.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// These jobs, and what they need.
    pub jobs: Vec<String>,
    /// Only jobs of these sources, and what they need.
    pub sources: Vec<String>,
    /// Not these jobs, nor what needs them.
    pub skip: Vec<String>,
}

impl Plan {
    /// Drops the jobs that are not selected. An error names what matches nothing, or a job that could not run without
    /// one that is skipped.
    pub fn select(&mut self, selection: &Selection) -> Result<(), String> {
        let names = self.jobs.iter().map(|job| &*job.name);
        known("job", selection.jobs.iter().chain(&selection.skip), names)?;
        known("source", selection.sources.iter(), self.sources.iter().map(|source| source.name.as_str()))?;
        let wanted =
            |job: &&Job| any(&selection.jobs, &job.name) && any(&selection.sources, &job.source.name);
        let mut chosen: BTreeSet<String> =
            self.jobs.iter().filter(wanted).map(|job| job.name.to_string()).collect();
        let skipped = |name: &str| selection.skip.iter().any(|pattern| matches(pattern, name));
        chosen.retain(|name| !skipped(name));
        let mut open: Vec<String> = chosen.iter().cloned().collect();
        while let Some(name) = open.pop() {
            for need in self.job(&name).into_iter().flat_map(|job| &job.needs) {
                if skipped(need) {
                    return Err(format!("job \"{name}\" needs \"{need}\", which is to be skipped"));
                }
                if chosen.insert(need.clone()) {
                    open.push(need.clone());
                }
            }
        }
        self.jobs.retain(|job| chosen.contains(&*job.name));
        Ok(())
    }
}

/// Whether a name is wanted; all are where none is named.
fn any(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
}

fn known<'a>(
    what: &str,
    patterns: impl Iterator<Item = &'a String>,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), String> {
    for pattern in patterns {
        if !names.clone().any(|name| matches(pattern, name)) {
            let hint = suggest(pattern, names.clone());
            let hint = if hint.is_empty() { hint } else { format!("\n  ({hint})") };
            return Err(format!("the plan has no {what} \"{pattern}\"{hint}"));
        }
    }
    Ok(())
}

/// Whether a name fits a pattern in which `*` is any text and `?` any character.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[here] => {
                at += 1;
                here += 1;
            }
            _ => {
                let Some((from, eaten)) = star else { return false };
                star = Some((from, eaten + 1));
                at = from + 1;
                here = eaten + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}
