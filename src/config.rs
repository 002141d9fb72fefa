//! The settings of the program, in layers: what is built in, the files of the machine and the user, the environment.
//! Not here: flags (`cli`), and everything that a plan says for itself.

use crate::units::{Size, Span};
use clap::ValueEnum;
use serde::de::{Deserialize, Deserializer, Error};
use std::path::{Path, PathBuf};

/// The built-in layer: every setting with its default and a comment.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// Every setting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Threads of the runtime; 0 is one a core.
    pub threads: usize,
    /// The filter of what is logged to stderr.
    pub log: String,
    /// Colors.
    #[serde(deserialize_with = "name")]
    pub color: When,
    /// What is shown while a run goes on.
    #[serde(deserialize_with = "name")]
    pub progress: Progress,
    /// How long runs are kept.
    pub history: History,
}

/// How long runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Runs that began longer ago are forgotten.
    pub age: Span,
    /// The logs of all runs together are no larger.
    pub size: Size,
}

/// When to do something that suits a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is shown while a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// Live on a terminal, plain elsewhere.
    Auto,
    /// A view that is redrawn in place.
    Live,
    /// Lines.
    Plain,
    /// Nothing.
    None,
}

/// One of some names, all of which are said where it is another.
fn name<'de, D: Deserializer<'de>, T: ValueEnum>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    T::from_str(&text, false).map_err(|_| {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<_> = names.map(|name| format!("\"{}\"", name.get_name())).collect();
        D::Error::custom(format!("must be {}, not \"{text}\"", names.join(" or ")))
    })
}

/// Settings that can't be used: which, where, why.
#[derive(Debug, thiserror::Error)]
#[error("settings: {0}")]
pub struct SettingsError(#[from] config::ConfigError);

impl Settings {
    /// Reads all layers. A file that is named by `--config` must be there, the others need not. Blocking.
    pub fn load(named: Option<&Path>) -> Result<Settings, SettingsError> {
        let mut layers = config::Config::builder()
            .add_source(config::File::from_str(DEFAULT, config::FileFormat::Toml))
            .add_source(file(Path::new("/etc/fanout/config.toml")).required(false));
        if let Some(home) = user_folder() {
            layers = layers.add_source(file(&home.join("fanout/config.toml")).required(false));
        }
        if let Some(named) = named {
            layers = layers.add_source(file(named).required(true));
        }
        for (key, value) in std::env::vars() {
            let setting = key.strip_prefix("FANOUT_").map(|name| name.to_lowercase().replace("__", "."));
            if let Some(setting) = setting.filter(|name| KEYS.contains(&name.as_str())) {
                layers = layers.set_override(setting, value)?;
            }
        }
        Ok(layers.build()?.try_deserialize()?)
    }
}

/// The settings that the environment may hold. Other variables that begin with FANOUT_ are not settings.
const KEYS: [&str; 6] = ["threads", "log", "color", "progress", "history.age", "history.size"];

fn file(path: &Path) -> config::File<config::FileSourceFile, config::FileFormat> {
    config::File::new(&path.to_string_lossy(), config::FileFormat::Toml)
}

fn user_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_setting_does_not_have_is_told_with_those_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "progress = \"liv\"\n").unwrap();
        let error = Settings::load(Some(&file)).unwrap_err().to_string();
        let told = "must be \"auto\" or \"live\" or \"plain\" or \"none\", not \"liv\"";
        assert!(error.contains(told) && error.contains("progress"), "{error}");
    }

    #[test]
    fn the_built_in_layer_has_every_setting() {
        let settings: Settings = toml::from_str(DEFAULT).unwrap();
        assert_eq!((settings.threads, settings.color), (0, When::Auto));
        let table: toml::Table = toml::from_str(DEFAULT).unwrap();
        let keys = table.into_iter().flat_map(|(key, value)| match value {
            toml::Value::Table(inner) => inner.keys().map(|inner| format!("{key}.{inner}")).collect(),
            _ => vec![key],
        });
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        let mut known = KEYS;
        known.sort_unstable();
        assert_eq!(keys, known);
    }
}
