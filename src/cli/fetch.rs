//! `fanout fetch`: a plan made of URLs and flags, and run as any other. Not here: what a URL says (`address`), how the
//! plan is written (`plan`), and asking questions (`terminal`).

mod address;
mod place;
mod plan;
#[cfg(test)]
mod tests;

use super::args::FetchArguments;
use super::exit::Failure;
use super::run::{carry_out, warn};
use super::terminal::Terminal;
use super::{Surroundings, print, signals};
use crate::expr::Scope;
use crate::gather::Context;
use crate::history::Overlap;
use crate::plan::{Overrides, Plan};
use crate::sources::Asking;
use address::Address;
use place::Place;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// The most URLs of one command.
const MOST_URLS: usize = 10_000;
/// The most bytes of URLs on stdin.
const MOST_BYTES: u64 = 16 << 20;
/// What the plan is called in messages and in the history: there is no such file.
const NAME: &str = "fetch";

pub(super) async fn fetch(arguments: FetchArguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let addresses = addresses(&arguments.urls)?;
    let is_many = addresses.len() > 1 || addresses.iter().any(|address| address.is_many);
    let place = Place::of(&arguments.destination, is_many).map_err(Failure::usage)?;
    let text = plan::text(&addresses, &place.output, &arguments);
    if arguments.print_plan {
        return print(place.remark() + &text);
    }
    let terminal = Terminal::open();
    let (asking, questions) = Asking::new();
    let overrides = Overrides { asking: terminal.as_ref().map(|_| asking), ..Overrides::default() };
    let load = move || Plan::of_text(Path::new(NAME), text, &overrides).map_err(Failure::plan);
    let plan = tokio::task::spawn_blocking(load).await.expect("reading a plan does not panic")?;
    warn(&plan, surroundings);
    if let Some(terminal) = terminal {
        // Before anything is shown, so that a question has the terminal for itself.
        signals::prepared(async {
            tokio::select! {
                () = greet(&plan) => {}
                () = terminal.answer(questions) => {}
            }
        })
        .await?;
    }
    // Two commands have nothing to do with each other.
    carry_out(plan, &arguments.flags, place.output_dir, Overlap::Allow, surroundings).await
}

/// Connects to every source, so that what has to be asked is asked. Those that fail do so again in the run, which says
/// it; what was refused is not asked of the server a second time.
async fn greet(plan: &Plan) {
    let scope = Scope::new(Arc::new(plan.globals.clone()));
    let connects = plan.sources.iter().map(|source| async {
        let _ = source.source.connect(&Context::detached(), &scope).await;
    });
    futures_util::future::join_all(connects).await;
}

/// Reads all URLs, and says all mistakes in them.
fn addresses(given: &[String]) -> Result<Vec<Address>, Failure> {
    let mut urls = Vec::new();
    for url in given {
        match url.as_str() {
            "-" => urls.extend(listed().map_err(Failure::usage)?),
            url => urls.push(url.to_owned()),
        }
    }
    if urls.is_empty() {
        return Err(Failure::usage("no URL on stdin"));
    }
    if urls.len() > MOST_URLS {
        return Err(Failure::usage(format!(
            "more than {MOST_URLS} URLs\n  (a pattern such as /outbox/*.csv is one)"
        )));
    }
    let (good, wrong): (Vec<_>, Vec<_>) = urls.iter().map(|url| Address::parse(url)).partition(Result::is_ok);
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    match wrong.is_empty() {
        true => Ok(good.into_iter().flatten().collect()),
        false => Err(Failure::usage(wrong.join("\n"))),
    }
}

/// The lines of stdin that are not empty.
fn listed() -> Result<Vec<String>, String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MOST_BYTES + 1).read_to_string(&mut text);
    let read = read.map_err(|error| format!("stdin: {error}"))?;
    if read as u64 > MOST_BYTES {
        return Err("stdin: more than 16 MiB of URLs".to_owned());
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}
