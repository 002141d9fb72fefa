//! `fanout check`.

use super::args::CheckArguments;
use super::exit::Failure;
use super::run::{load, warn};
use super::{Surroundings, print, signals, visible, visible_lines};
use crate::expr::{Globals, Scope};
use crate::gather::Context;
use crate::plan::Plan;
use std::fmt::Write;
use std::sync::Arc;

pub(super) async fn check(arguments: CheckArguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let plan = Arc::new(load(&arguments.plan).await?);
    warn(&plan, surroundings);
    if arguments.connect {
        signals::prepared(connect(&plan, surroundings)).await??;
    }
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (jobs, sources) = (many(plan.jobs.len(), "job"), many(plan.sources.len(), "source"));
    if surroundings.quiet {
        Ok(0)
    } else {
        print(format!("{}: {jobs}, {sources}, no mistakes\n", visible(&plan.name)))
    }
}

/// Connects to every source and logs in, all at once.
async fn connect(plan: &Arc<Plan>, surroundings: &Surroundings) -> Result<(), Failure> {
    let shared = plan.clone();
    let secrets = tokio::task::spawn_blocking(move || shared.resolve_secrets());
    let secrets = secrets.await.expect("getting secrets does not panic").map_err(Failure::plan)?;
    let scope = Scope::new(Arc::new(Globals { secrets, ..plan.globals.clone() }));
    let scope = &scope;
    let connects = plan.sources.iter().filter(|source| !source.built_in).map(|source| async move {
        let result = source.source.connect(&Context::detached(), scope).await;
        source.source.close().await;
        (source, result)
    });
    let mut said = String::new();
    let mut failed = 0;
    for (source, result) in futures_util::future::join_all(connects).await {
        let (name, target) = (&source.name, source.source.target());
        match result {
            Ok(()) => {
                let _ = writeln!(said, "{name}: connected to {target}");
            }
            Err(error) => {
                failed += 1;
                let _ = writeln!(said, "{name}: {error}");
            }
        }
    }
    if failed > 0 {
        return Err(Failure::lost(format!(
            "{failed} of {} sources can't be used\n{}",
            plan.sources.len(),
            said.trim_end()
        )));
    }
    if !surroundings.quiet {
        print(visible_lines(&said))?;
    }
    Ok(())
}
