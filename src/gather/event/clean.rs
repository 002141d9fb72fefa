//! Taking secrets out of events before anybody reads them: [`Clean`]. Not here: what is a secret, which the caller knows.

use super::{Event, EventKind};
use crate::gather::outcome::Cause;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

type Cleaning = dyn Fn(&str) -> Cow<'_, str> + Send + Sync;

/// Takes secrets out of a text. Cheap to clone.
#[derive(Clone)]
pub struct Clean(Arc<Cleaning>);

impl Clean {
    /// Made of what does it; a text without a secret is given back as it is.
    pub fn new(clean: impl Fn(&str) -> Cow<'_, str> + Send + Sync + 'static) -> Clean {
        Clean(Arc::new(clean))
    }

    /// Cleans a text.
    pub(in crate::gather) fn text(&self, text: &mut String) {
        if let Cow::Owned(clean) = (self.0)(text) {
            *text = clean;
        }
    }

    /// Cleans a text that others have, too.
    pub(in crate::gather) fn shared(&self, text: &mut Arc<str>) {
        if let Cow::Owned(clean) = (self.0)(text) {
            *text = clean.into();
        }
    }

    /// Cleans every text of an event that may be made of what a server said: keys, outputs, attributes, errors, warnings.
    pub(in crate::gather) fn event(&self, event: &mut Event) {
        match &mut event.kind {
            EventKind::ItemQueued { key: Some(key), .. } => self.shared(key),
            EventKind::AttemptEnded { error: Some(text), .. }
            | EventKind::JobEnded { why: Some(text), .. }
            | EventKind::SourceDown { why: text, .. }
            | EventKind::Warning { message: text } => self.text(text),
            EventKind::ItemEnded { why, brought, .. } => {
                why.iter_mut().chain(&mut brought.output).for_each(|text| self.text(text));
            }
            EventKind::Attributes { attributes, .. } => attributes.clean(self),
            EventKind::Cancelling { cause: Cause::Sibling(text) | Cause::Source(text), .. } => {
                self.shared(text);
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clean")
    }
}
