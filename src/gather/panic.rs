//! Panics of items become outcomes. Not here: where they are caught (`attempt`).

use super::outcome::Panic;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Once;

thread_local! {
    static IN_ATTEMPT: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook, once, that notes the place of a panic inside an item and prints nothing for it; every other
/// panic goes to the hook that was there before. Without it an item's [`Panic`] has no place, and the standard hook
/// prints it to stderr.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IN_ATTEMPT.get() {
                PLACE.set(info.location().map(ToString::to_string));
            } else {
                before(info);
            }
        }));
    });
}

/// Runs one poll of an attempt and catches its panic.
pub(super) fn catch<R>(poll: impl FnOnce() -> R) -> Result<R, Box<Panic>> {
    let outer = IN_ATTEMPT.replace(true);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll));
    IN_ATTEMPT.set(outer);
    result.map_err(|payload| Box::new(Panic { message: message(payload), place: PLACE.take() }))
}

fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            // The payload may panic again when dropped; it is of no use to anybody.
            Err(other) => {
                std::mem::forget(other);
                "a panic without a message".to_owned()
            }
        },
    }
}
