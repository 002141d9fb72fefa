//! The gather layer: runs independent items at once, within limits, and gives each exactly one outcome.
//!
//! An [`Item`] is one leaf I/O operation. A [`Gather`] is a job: it pulls items, starts each as a task of its own when
//! everything it needs is free at once, tries it again where that can help, and ends when every item has its
//! [`Outcome`]. A [`Run`] is what several jobs have in common: limits, clock, lanes, events. The library's short form
//! is [`gather()`] and [`gather!`](crate::gather!).
//!
//! The rules, which the tests hold:
//! 1. Every item gets exactly one outcome.
//! 2. When a gather returns, nothing of it runs; when it is dropped, everything is aborted.
//! 3. The report is in submission order; outcomes can also be streamed as they come.
//! 4. One failure does not stop the others, unless a [`Policy`] asks for it.
//! 5. An item starts only when everything it needs is free at once; nothing holds one permit and waits for another.
//! 6. An item that waits for its retry holds no slot. Retries are here and nowhere else.
//! 7. Times and lanes belong to attempts.
//! 8. Deadlines are absolute, and the nearest one wins.
//! 9. Cancel in two phases: ask, grace, abort, join; the cause travels with it.
//! 10. A panic is an outcome.
//! 11. Items are pulled, per job, when there is room for them; results and events have bounded queues.
//! 12. Work that burns CPU or blocks goes through [`Context::blocking`].
//! 13. The scheduler is a state machine without I/O and without a clock.
//! 14. The spans `run` > `job` > `item` > `attempt` are opened here and nowhere else.
//! 15. A listing is a chain of leaf items, one page each.
//! 16. A source that fails, fails once for all its items.
//!
//! Not here: what an item does, where it comes from, how a run is shown. This folder imports nothing of the crate.

mod attempt;
mod attributes;
mod builder;
mod call;
mod context;
mod driver;
mod event;
mod event_queue;
mod finish;
mod info;
mod intake;
mod limit;
mod listing;
mod outcome;
mod output;
mod panic;
mod policy;
pub mod replay;
mod report;
mod rest;
mod run;
mod scheduler;
mod slot;

#[cfg(test)]
mod tests;

pub use attributes::{ATTRIBUTE_LENGTH, ATTRIBUTES, AttributeValue, Attributes};
pub use builder::{DEFAULT_LOOK_AHEAD, DEFAULT_OUTCOMES, Gather, Outcomes, gather, one};
pub use call::{Call, Ended, Item, Once};
pub use context::{Cancel, Context, Progress};
pub use event::{
    Brought, Change, Clean, Counts, Event, EventKind, ItemNumber, JobNumber, LOG_VERSION, LimitUse,
    PhaseName, Reason, Role, Wait,
};
pub use event_queue::EventQueue;
pub use info::{JobInfo, LimitInfo, RunInfo, SourceInfo};
pub use intake::{Intake, Iter, REST};
pub use limit::{Limit, LimitId, Needs, Rate};
pub use listing::{BoxFuture, Listing, Page};
pub use outcome::{Advice, Cause, Outcome, Panic, Skip, State, Timeout};
pub use panic::install_panic_hook;
pub use policy::{Backoff, Policy, Retries, Stop, Timeouts, Tolerance};
pub use report::{ItemReport, Report};
pub use run::{DEFAULT_CONCURRENCY, DEFAULT_GRACE, Run, RunSettings};
pub use scheduler::Timing;

#[doc(hidden)]
pub use tokio::join as __join;
