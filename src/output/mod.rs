//! Outputs: files that are whole or absent, names that stay in their folder, rows as text.
//! Not here: which file an item writes, and when it is final (`run`).
//!
//! An output is written into a temporary file beside its final name (`.NAME.fanout-part`), which is locked while
//! somebody writes it, and then renamed. So a final name is whole or absent after a killed process and on a full
//! disk; and after a power cut where it is made final by `durable`. What a writer leaves behind in the middle is removed by
//! the next one, or gone on with if it is known where its bytes come from (`resume`). (`manifest` has its place beside this
//! file.)
//!
//! Whose name is it? The start of an `output` up to the last `/` before its first expression is the plan author's:
//! it may be absolute, hold `..` and lead through symlinks ([`split_output`]). [`Folder::open`] opens it so.
//! All that comes after it may stem from data or servers and is opened beneath that folder: no `..`, no symlink.

mod beneath;
mod change;
mod digest;
mod durable;
mod error;
mod extents;
mod folder;
mod join;
mod names;
mod part;
mod path;
mod resume;
mod rows;
mod temp;
mod whole;

pub use digest::{Algorithm, Digest};
pub use durable::commit_durably;
pub use error::OutputError;
pub use folder::{Folder, split_output};
pub use join::Join;
pub use names::{NameError, component, server_name, shown};
pub use part::{Part, PartWriter};
pub use path::{PathError, file_path};
pub use resume::Origin;
pub use rows::{Cell, RowError, RowFormat, RowWriter};

#[cfg(test)]
mod tests;
