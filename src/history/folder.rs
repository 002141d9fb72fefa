//! Where the state is.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Somebody asked for this folder: that it can't be used is an error, and else a warning.
    pub asked_for: bool,
}

/// There is no place for the state: neither a folder that was asked for nor a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusable;

impl StateFolder {
    /// The folder that was asked for (`--state-dir`), else `FANOUT_STATE_DIR`, else systemd's `STATE_DIRECTORY` (the
    /// first of them), else `fanout` under `XDG_STATE_HOME`, which is `~/.local/state` if it is not set.
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    pub fn find(asked: Option<PathBuf>) -> Result<StateFolder, Unusable> {
        StateFolder::of(asked, |name| std::env::var_os(name))
    }

    pub(super) fn of(
        asked: Option<PathBuf>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<StateFolder, Unusable> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let first = |paths: PathBuf| std::env::split_paths(&paths).next().unwrap_or(paths);
        let asked = asked.or_else(|| set("FANOUT_STATE_DIR")).or_else(|| set("STATE_DIRECTORY").map(first));
        if let Some(path) = asked {
            return Ok(StateFolder { path, asked_for: true });
        }
        let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
        let home =
            absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        home.map(|home| StateFolder { path: home.join("fanout"), asked_for: false }).ok_or(Unusable)
    }
}
