//! DEST: a folder, or the name of one file, as an `output` of a plan in the current folder. Not here: writing anything.

use std::path::{Component, Path, PathBuf};

/// Where files go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The job's `output`.
    pub(super) output: String,
    /// The folder that it is under, where that is not the current one: an output of a plan never leaves its folder.
    pub(super) output_dir: Option<PathBuf>,
}

impl Place {
    /// Reads DEST. `is_many`: there may be several files.
    pub(super) fn of(destination: &str, is_many: bool) -> Result<Place, String> {
        let path = Path::new(destination);
        let is_folder = destination.ends_with('/') || path.is_dir();
        match (is_folder, path.file_name().and_then(|name| name.to_str())) {
            (_, _) if destination.is_empty() || destination == "-" => Err(format!(
                "\"{destination}\" is no place for files\n  (write a folder such as ./ or a file's name)"
            )),
            // Somebody forgot it, and a URL stands in its place.
            _ if destination.contains("://") => {
                Err("DEST is missing: the last argument is a URL\n  (write where files go, such as ./)"
                    .to_owned())
            }
            (true, _) => Ok(Place::under(path, "")),
            (false, None) => Err(format!("\"{destination}\" is no folder that is there, and no file's name")),
            (false, Some(_)) if is_many => Err(format!(
                "\"{destination}\" is one file's name, and there may be several files\n  (a folder ends in /: {destination}/)"
            )),
            (false, Some(name)) => Ok(Place::under(path.parent().unwrap_or(Path::new("")), name)),
        }
    }

    /// A file of a folder, or the folder itself for an empty name. The user's own links to folders are followed.
    fn under(folder: &Path, name: &str) -> Place {
        let is_below =
            folder.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let leads_away = || folder.ancestors().any(Path::is_symlink);
        match folder.to_str().filter(|_| is_below && !leads_away()) {
            Some(text) if text.is_empty() || text.ends_with('/') => {
                let here = if text.is_empty() && name.is_empty() { "./" } else { "" };
                Place { output: format!("{text}{here}{name}"), output_dir: None }
            }
            Some(text) => Place { output: format!("{text}/{name}"), output_dir: None },
            None => {
                let output = if name.is_empty() { "./".to_owned() } else { name.to_owned() };
                Place { output, output_dir: Some(folder.to_owned()) }
            }
        }
    }

    /// What a reader of the plan has to know.
    pub(super) fn remark(&self) -> String {
        let folder = self.output_dir.as_ref().map(|folder| folder.display());
        folder.map_or(String::new(), |folder| format!("# to be run with --output-dir '{folder}'\n"))
    }
}
