//! The integration tests, in one binary, so that they link once: the real program against real servers.
//! Not here: what one module does by itself (the `tests.rs` beside it).

#![expect(clippy::unwrap_used, reason = "what a test can't do without fails it")]

mod adhoc;
mod after;
mod canary;
mod check;
mod checksums;
mod compare;
mod demo;
mod dry;
mod errors;
mod examples;
mod exports;
mod faults;
mod fetch;
mod full;
mod history;
mod html;
mod incremental;
mod layers;
mod library;
mod mistakes;
mod otlp;
mod overlap;
mod paced;
mod program;
mod resume;
mod run;
mod servers;
mod stop;
mod support;
mod what_if;
mod which;
