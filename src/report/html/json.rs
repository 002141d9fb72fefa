//! Data as JSON that may stand in a `<script>` element: nothing in it can end the element or open a comment. Not
//! here: making text harmless to read (`texts`).

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Writes it on one line.
pub(super) fn write(value: &impl Serialize, to: impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(to, Inert)).map_err(io::Error::from)
}

/// JSON without a `<` in it: every `</script` and `<!--` begins with one.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, text: &str) -> io::Result<()> {
        for (at, piece) in text.split('<').enumerate() {
            to.write_all(if at > 0 { b"\\u003c" } else { b"" })?;
            to.write_all(piece.as_bytes())?;
        }
        Ok(())
    }
}
