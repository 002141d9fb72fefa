//! The library as its users have it: a subscriber of their own sees the spans of a gather. Not here: what the program makes
//! of them (`overlap`, `exports`), and a report as text (beside `report::gathered`).

use std::sync::{Arc, Mutex};
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, registry};

/// The name of each span that was opened, behind those of the spans that it lies in.
#[derive(Clone, Default)]
struct Tree(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Tree {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let scope = context.span_scope(id).unwrap().from_root();
        let names: Vec<_> = scope.map(|span| span.name()).collect();
        self.0.lock().unwrap().push(names.join(" > "));
    }
}

#[test]
fn a_subscriber_of_the_users_own_sees_the_spans_of_a_gather() {
    let tree = Tree::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let call = |number: u64| async move {
        tracing::info_span!("query").in_scope(|| Ok::<u64, std::io::Error>(number))
    };
    let outcomes =
        with_default(registry().with(tree.clone()), || runtime.block_on(fanout::gather([call(1), call(2)])));
    assert!(outcomes.into_iter().filter_map(|outcome| outcome.done()).eq([1, 2]));
    let mut opened = tree.0.lock().unwrap().clone();
    opened.sort();
    let item = "run > job > item";
    let of_an_item = ["", " > attempt", " > attempt > query"].map(|below| format!("{item}{below}"));
    let items = of_an_item.iter().flat_map(|span| [span.clone(), span.clone()]);
    assert_eq!(opened, ["run", "run > job"].map(str::to_owned).into_iter().chain(items).collect::<Vec<_>>());
}
