//! The rules of the repository that the compiler does not hold: who may import whom, one list of kinds, who prints,
//! how long a file may be, what the bare library depends on. Each reads the sources as text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The most lines that a file may have.
const LONGEST: usize = 400;

/// What every module may import. They import nothing of this crate themselves, but for [`EXCEPTIONS`].
const LEAVES: &[&str] = &["config", "expr", "output", "secret", "telemetry", "units"];

/// Who may import whom, beside the leaves.
const TABLE: &[(&str, &[&str])] = &[
    ("gather", &[]),
    ("sources", &["gather"]),
    ("plan", &["sources", "gather"]),
    ("run", &["plan", "sources", "gather"]),
    ("report", &["gather"]),
    ("history", &["gather", "run"]),
    ("demo", &["run", "plan", "sources", "gather", "report"]),
    ("daemon", &["run", "plan", "history", "report", "gather"]),
    ("fleet", &["run", "plan", "history", "report", "gather"]),
];

/// Leaves that import, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("expr", "secret", "what a secret went into is a secret"),
    ("secret", "expr", "a secret may be named by a template"),
    ("config", "units", "settings have units as plans have"),
    ("output", "gather", "a file's change is part of its outcome"),
];

/// What may import everything.
const TOP: &[&str] = &["cli", "lib", "main"];

/// A source file.
struct Source {
    /// Its path below the package's folder.
    path: String,
    /// Its module, from the crate's root: `["sources", "http", "client"]`.
    module: Vec<String>,
    text: String,
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for file in sources("src").iter().filter(|file| !file.is_test()) {
        let importer = file.module[0].as_str();
        for import in file.imports() {
            if !allowed(importer, &import[0]) {
                wrong.push(format!("{}: {importer} may not import {}", file.path, import.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_kind_of_source_imports_no_other_kind() {
    let mut wrong = Vec::new();
    for file in sources("src/sources").iter().filter(|file| file.module.len() > 1) {
        for import in file.imports().into_iter().filter(|import| import[0] == "sources") {
            let other = import.get(1).is_some_and(|kind| kinds().contains(kind) && *kind != file.module[1]);
            wrong.extend(other.then(|| format!("{} imports {}", file.path, import.join("::"))));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_row_in_the_table() {
    let known: BTreeSet<&str> =
        TABLE.iter().map(|row| row.0).chain(LEAVES.iter().chain(TOP).copied()).collect();
    let unknown: Vec<String> =
        modules().into_iter().filter(|module| !known.contains(module.as_str())).collect();
    assert!(unknown.is_empty(), "these modules are in no row: {unknown:?}");
}

#[test]
fn every_folder_of_a_kind_is_in_the_list_of_kinds() {
    let entries = fs::read_dir(package().join("src/sources")).expect("the sources are there");
    let folders = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
    let folders: BTreeSet<String> =
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, kinds(), "folders of src/sources (left) and the list in src/sources/mod.rs (right)");
}

#[test]
fn nothing_outside_its_folder_asks_for_a_kind_by_its_name() {
    let names: Vec<&str> = fanout::sources::kinds().map(|kind| kind.name()).collect();
    let asks = |line: &&str| {
        let named =
            |name: &&str| ["==", "!="].iter().any(|sign| line.contains(&format!("{sign} \"{name}\"")));
        line.contains("kind") && names.iter().any(named)
    };
    let outside = sources("src").into_iter().filter(|file| file.module[0] != "sources" && !file.is_test());
    let wrong: Vec<String> = outside
        .filter_map(|file| file.text.lines().find(asks).map(|line| format!("{}: {line}", file.path)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is() {
    // A `tests.rs` holds the tests of the file beside it: its name says so.
    let named = |file: &Source| file.module.last().is_some_and(|name| name == "tests");
    let silent = everything().into_iter().filter(|file| !file.text.starts_with("//!") && !named(file));
    let silent: Vec<String> = silent.map(|file| file.path).collect();
    assert!(silent.is_empty(), "these files do not begin with `//!`: {silent:#?}");
}

#[test]
fn no_file_is_too_long() {
    let lines = everything().into_iter().map(|file| (file.text.lines().count(), file.path));
    let long: Vec<(usize, String)> = lines.filter(|(lines, _)| *lines > LONGEST).collect();
    assert!(long.is_empty(), "files of more than {LONGEST} lines: {long:#?}");
}

#[test]
fn only_the_command_line_and_reports_print() {
    let silent =
        sources("src").into_iter().filter(|file| !["cli", "main", "report"].contains(&&*file.module[0]));
    let macros = ["print!(", "println!(", "dbg!("];
    let loud =
        silent.filter(|file| !file.is_test() && macros.iter().any(|name| code(&file.text).contains(name)));
    let loud: Vec<String> = loud.map(|file| file.path).collect();
    assert!(loud.is_empty(), "these files print: {loud:?}");
}

#[test]
fn the_gather_layer_alone_needs_only_tokio_and_tracing() {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let arguments =
        "tree --offline --locked --no-default-features --edges normal --depth 1 --prefix none --format {p}";
    let output =
        Command::new(cargo).args(arguments.split(' ')).current_dir(package()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names of crates");
    let crates: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    // The first is in every build of the other two.
    assert_eq!(crates, ["fanout", "pin-project-lite", "tokio", "tracing"]);
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{gather::{self, Event}, units};\nfn f() -> crate::secret::Secret { super::super::plan::x() }\n\
                // crate::cli\nuse super::near;\nuse crate::run::*;";
    let module = vec!["sources".to_owned(), "http".to_owned()];
    let found = Source { path: String::new(), module, text: text.to_owned() }.imports();
    let found: BTreeSet<String> = found.into_iter().map(|path| path.join("::")).collect();
    let all =
        ["gather::self", "gather::Event", "units", "secret::Secret", "plan::x", "sources::near", "run::*"];
    assert_eq!(found, all.map(str::to_owned).into());
}

fn allowed(importer: &str, imported: &str) -> bool {
    let row = TABLE.iter().find(|row| row.0 == importer);
    importer == imported
        || TOP.contains(&importer)
        || !modules().contains(imported)
        || row.is_some_and(|row| {
            LEAVES.contains(&imported) && importer != "gather" || row.1.contains(&imported)
        })
        || EXCEPTIONS.iter().any(|exception| (exception.0, exception.1) == (importer, imported))
}

impl Source {
    /// Tests may look anywhere.
    fn is_test(&self) -> bool {
        self.module.iter().any(|name| name == "tests")
    }

    /// The first names, from the crate's root, of every path in it that begins with `crate` or `super`.
    fn imports(&self) -> Vec<Vec<String>> {
        let text = code(&self.text);
        let mut tokens = tokens(&text).into_iter().peekable();
        let mut found = Vec::new();
        while let Some(token) = tokens.next() {
            let mut base: Vec<String> = match token {
                "crate" => Vec::new(),
                "super" => self.module[..self.module.len() - 1].to_vec(),
                _ => continue,
            };
            while tokens.next_if(|token| *token == "::").is_some() {
                match tokens.next_if(|token| *token == "super") {
                    Some(_) => drop(base.pop()),
                    None => {
                        tree(&mut tokens, &base, &mut found);
                        break;
                    }
                }
            }
        }
        found.retain(|path| !path.is_empty());
        found
    }
}

/// Reads what follows a `::`: a name with perhaps more after it, or a group in braces.
fn tree<'a>(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    base: &[String],
    found: &mut Vec<Vec<String>>,
) {
    if tokens.next_if(|token| *token == "{").is_some() {
        while tokens.peek().is_some_and(|token| *token != "}") {
            tree(tokens, base, found);
            while tokens.next_if(|token| !["}", ","].contains(token)).is_some() {}
            tokens.next_if(|token| *token == ",");
        }
        tokens.next();
    } else if let Some(name) = tokens.next() {
        let path = [base, &[name.to_owned()]].concat();
        match tokens.next_if(|token| *token == "::") {
            Some(_) if path.len() < 2 => tree(tokens, &path, found),
            _ => found.push(path),
        }
    }
}

/// Names and `::`, and every other character by itself.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = match rest.find(|c| !is_name(c)) {
            _ if rest.starts_with("::") => 2,
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (token, later) = rest.split_at(length);
        tokens.push(token);
        rest = later.trim_start();
    }
    tokens
}

/// The text without comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The names in `kinds! { .. }`.
fn kinds() -> BTreeSet<String> {
    let text =
        code(&fs::read_to_string(package().join("src/sources/mod.rs")).expect("the list of kinds is there"));
    let list =
        text.split("\nkinds! {").nth(1).and_then(|rest| rest.split('}').next()).expect("it has its form");
    // Each name stands alone on its line, perhaps below the feature it is compiled with.
    let lines = list.lines().map(|line| line.trim().trim_end_matches(','));
    lines.filter(|line| !line.is_empty() && !line.starts_with("#[")).map(str::to_owned).collect()
}

/// The modules right below the crate's root.
fn modules() -> BTreeSet<String> {
    sources("src").into_iter().map(|file| file.module[0].clone()).collect()
}

fn everything() -> Vec<Source> {
    ["src", "tests", "benches", "examples"].into_iter().flat_map(sources).collect()
}

/// Every Rust file below a folder of the package.
fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![package().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|ending| ending == "rs") {
                files.push(Source::read(&entry));
            }
        }
    }
    files
}

impl Source {
    fn read(path: &Path) -> Source {
        let below = path.strip_prefix(package()).expect("it is below").with_extension("");
        let names = below.iter().skip(1).map(|name| name.to_string_lossy().into_owned());
        let module = names.filter(|name| name != "mod").collect();
        let text = fs::read_to_string(path).expect("sources are UTF-8");
        Source { path: below.with_extension("rs").display().to_string(), module, text }
    }
}

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
