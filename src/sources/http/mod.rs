//! The kind `http`: requests to HTTP APIs, one an item, their bodies streamed. What goes wrong is told apart by whose
//! fault it is and whether trying again can help; no secret gets to another host or into an error.
//! Not here: trying again, limits and timeouts (`gather`), and where a body finally lies (`run`, `output`).

mod address;
mod again;
mod answer;
mod body;
mod call;
mod client;
mod conceal;
mod expect;
mod failure;
mod job;
mod outgoing;
mod redirect;
mod settings;
mod source;
mod text;

#[cfg(test)]
mod tests;

pub use client::bundled_roots;

use super::{Kind, Problems, Source, Surroundings};
use crate::expr::Table;
use std::sync::Arc;

/// The kinds that this folder makes.
pub const KINDS: &[&dyn Kind] = &[&Http];

/// Items at once at one host, where the plan says nothing.
const CONCURRENCY: u64 = 16;

struct Http;

impl Kind for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn operations(&self) -> &'static [&'static str] {
        job::OPERATIONS
    }

    fn concurrency(&self) -> u64 {
        CONCURRENCY
    }

    fn schemas(&self) -> (schemars::Schema, schemars::Schema) {
        (schemars::schema_for!(settings::Settings), schemars::schema_for!(job::Keys))
    }

    fn source(
        &self,
        _name: &str,
        settings: Table,
        surroundings: &Surroundings,
        problems: &mut Problems,
    ) -> Arc<dyn Source> {
        Arc::new(source::HttpSource::new(settings, surroundings, problems))
    }
}
