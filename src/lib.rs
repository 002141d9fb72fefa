//! The crate as its README presents it. Below: the modules, in reading order of their names.
#![doc = include_str!("../README.md")]

pub mod gather;
pub use gather::gather;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod demo;
#[cfg(feature = "plan")]
pub mod expr;
#[cfg(feature = "cli")]
pub mod history;
#[cfg(feature = "plan")]
pub mod output;
#[cfg(feature = "plan")]
pub mod plan;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "plan")]
pub mod run;
#[cfg(feature = "plan")]
pub mod secret;
#[cfg(feature = "plan")]
pub mod sources;
#[cfg(feature = "cli")]
pub mod telemetry;
#[cfg(any(feature = "plan", feature = "report"))]
pub mod units;

/// The examples of the texts, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Texts;
