//! What the integration tests stand on: real servers, a proxy that breaks things, and the program itself.
//! Not here: what is expected of the program.
//!
//! - [`sshd`], [`postgres`], [`nginx`]: the server all tests share, from the environment or started here; `None`, and
//!   the test's name on stderr, where there is none. With `FANOUT_REQUIRE_SERVERS=1` that is a failure instead.
//!   `FANOUT_TEST_LOCAL_SERVERS=0` leaves out those that are installed here. [`has_time`]: for tests that take long.
//! - [`clock_server`]: an HTTP server of our own that answers when it is told to and notes when it was asked.
//! - [`proxy`]: latency, bandwidth, cuts, resets and stalls between the program and any of these.
//! - [`browser`]: Chromium without a window, for what is shown in one.
//! - [`terminal`]: a terminal with somebody at it.
//! - [`plan`] and [`command`]: a folder with a plan, and the program run in it.

#![expect(dead_code, reason = "a test takes from it what it needs, and not every build has every test")]

pub(crate) mod browser;
pub(crate) mod clock_server;
pub(crate) mod command;
pub(crate) mod log;
pub(crate) mod nginx;
pub(crate) mod plan;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod sources;
pub(crate) mod sshd;
pub(crate) mod terminal;

use browser::Browser;
use nginx::Nginx;
use postgres::Postgres;
use sshd::Sshd;
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};
use tokio::runtime::Runtime;

/// The OpenSSH server that all tests share.
pub(crate) fn sshd() -> Option<&'static Sshd> {
    static SHARED: OnceLock<Result<Sshd, String>> = OnceLock::new();
    or_skip(SHARED.get_or_init(|| Sshd::from_environment().unwrap_or_else(|| Sshd::start(&[]))).as_ref())
}

/// The PostgreSQL server that all tests share.
pub(crate) fn postgres() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
    or_skip(
        SHARED.get_or_init(|| Postgres::from_environment().unwrap_or_else(|| Postgres::start(&[]))).as_ref(),
    )
}

/// The nginx that all tests share.
pub(crate) fn nginx() -> Option<&'static Nginx> {
    static SHARED: OnceLock<Result<Nginx, String>> = OnceLock::new();
    or_skip(SHARED.get_or_init(|| Nginx::from_environment().unwrap_or_else(Nginx::start)).as_ref())
}

/// The browser that all tests share.
pub(crate) fn browser() -> Option<&'static Browser> {
    static SHARED: OnceLock<Result<Browser, String>> = OnceLock::new();
    or_skip(SHARED.get_or_init(Browser::start).as_ref())
}

/// Set to `0`, it is as if no server were installed on this machine.
pub(crate) const LOCAL: &str = "FANOUT_TEST_LOCAL_SERVERS";

/// The server, or `None` after the test's name was told. For servers that a test starts for itself alone:
/// `or_skip(Sshd::start(&["MaxSessions 1"]))`.
pub(crate) fn or_skip<S, E: std::fmt::Display>(server: Result<S, E>) -> Option<S> {
    let why = match server {
        Ok(server) => return Some(server),
        Err(why) => why,
    };
    assert!(std::env::var_os("FANOUT_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{why}");
    let thread = std::thread::current();
    // Straight to stderr: what `eprintln` prints is shown for failed tests only.
    let _ = writeln!(std::io::stderr(), "skipped {}: {why}", thread.name().unwrap_or("a test"));
    None
}

/// Whether tests that take long are carried out, too: with `FANOUT_LONG_TESTS=1`. If not, the test's name is told.
pub(crate) fn has_time() -> bool {
    let has = std::env::var_os("FANOUT_LONG_TESTS").is_some_and(|value| value == "1");
    if !has {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("a test");
        let _ = writeln!(std::io::stderr(), "skipped {name}: FANOUT_LONG_TESTS is not 1");
    }
    has
}

/// The runtime of our own servers and proxies. It outlives every test's, so they can be used from any of them.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be made")
    });
    &RUNTIME
}
