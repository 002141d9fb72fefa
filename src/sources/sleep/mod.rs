//! The built-in kind `sleep`: an item that takes a while and does nothing, for trying out plans and limits. It needs no
//! source. Not here: any I/O.

#[cfg(test)]
mod tests;

use super::{Entry, Kind, Operation, Payload, Problems, Request, Sink, Source, SourceError, Surroundings};
use crate::expr::{Problem, Scope, Table, Template};
use crate::gather::{BoxFuture, Context};
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The kinds that this folder makes.
pub const KINDS: &[&dyn Kind] = &[&Sleep];

/// Items at once, where the plan says nothing: sleeping costs nothing, so the run's own limit is the one that counts.
const CONCURRENCY: u64 = 1 << 20;

struct Sleep;

/// What a job of the kind can say.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Keys {
    /// How long to sleep: a duration, such as "2s".
    #[schemars(with = "Option<String>")]
    sleep: Option<Template>,
}

/// A source of the kind has nothing to say.
#[derive(JsonSchema)]
struct Settings {}

impl Kind for Sleep {
    fn name(&self) -> &'static str {
        "sleep"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["sleep"]
    }

    fn concurrency(&self) -> u64 {
        CONCURRENCY
    }

    fn built_in(&self) -> bool {
        true
    }

    fn idle(&self) -> Option<Duration> {
        None
    }

    fn schemas(&self) -> (schemars::Schema, schemars::Schema) {
        (schemars::schema_for!(Settings), schemars::schema_for!(Keys))
    }

    fn source(&self, _: &str, _: Table, _: &Surroundings, _: &mut Problems) -> Arc<dyn Source> {
        Arc::new(Here)
    }
}

/// The one place to sleep at.
struct Here;

impl Source for Here {
    fn target(&self) -> String {
        "sleep".to_owned()
    }

    fn operation(&self, _: &str, mut keys: Table, problems: &mut Problems) -> Option<Box<dyn Operation>> {
        keys.refuse_secrets(&["sleep"], problems);
        let duration = keys.read::<Keys>(&["sleep"], problems).sleep?;
        if let Some(Err(error)) = duration.literal().map(str::parse::<Span>) {
            problems.push(Problem::new(keys.key_span("sleep"), format!("`sleep`: {error}")));
        }
        Some(Box::new(Nap { duration }))
    }

    fn connect<'a>(&'a self, _: &'a Context, _: &'a Scope) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }
}

struct Nap {
    duration: Template,
}

impl Operation for Nap {
    fn has_result(&self) -> bool {
        false
    }

    fn request(&self, scope: &Scope, _: Option<&Entry>) -> Result<Box<dyn Request>, SourceError> {
        let text =
            self.duration.text(scope).map_err(|error| SourceError::new("expression", error.message))?;
        let span: Span =
            text.parse().map_err(|error| SourceError::new("expression", format!("`sleep`: {error}")))?;
        Ok(Box::new(For(span)))
    }
}

struct For(Span);

impl Request for For {
    fn target(&self) -> String {
        format!("sleep {}", self.0)
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        _: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>> {
        Box::pin(async {
            context.source_up();
            context.phase("sleep");
            tokio::time::sleep(self.0.0).await;
            Ok(Payload::default())
        })
    }
}
