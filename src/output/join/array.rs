//! JSON results put together into one array, as they stream by, byte for byte: no number changes. Not here: checking
//! that they are JSON (the join does, before).

/// Where in a JSON text a byte stands.
#[derive(Default, Clone, Copy)]
pub(super) struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Goes past a byte. A closing bracket too many is taken as if it were not there.
    pub(super) fn step(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// Whether it is between two values: in no bracket and in no string.
    pub(super) fn is_outside(&self) -> bool {
        self.depth == 0 && !self.in_string
    }
}

/// One array of all items' elements.
#[derive(Default)]
pub(super) struct Array {
    /// An element was written before, by any item.
    begun: bool,
    state: State,
    scan: Scan,
}

/// Where in an item it is.
#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    /// Nothing but blanks came.
    #[default]
    Before,
    /// In an array whose elements are taken, before one of them.
    BeforeElement,
    /// In such an element.
    Element,
    /// In a value that is taken as it is.
    Value,
}

impl Array {
    pub(super) fn begin_item(&mut self) {
        self.state = State::Before;
        self.scan = Scan::default();
    }

    /// Takes more of an item. Blanks outside of values are dropped, as are the item's own brackets.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            let outside = self.scan.is_outside();
            if outside && matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                continue;
            }
            match (self.state, byte) {
                (State::Before, b'[') => self.state = State::BeforeElement,
                (State::BeforeElement | State::Element, b',') if outside => self.state = State::BeforeElement,
                (State::BeforeElement | State::Element, b']') if outside => {}
                _ => self.take(*byte, out),
            }
        }
    }

    /// A byte of a value.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        if matches!(self.state, State::Before | State::BeforeElement) {
            out.extend_from_slice(if self.begun { b",\n" } else { b"[\n" });
            self.begun = true;
            self.state = if self.state == State::Before { State::Value } else { State::Element };
        }
        self.scan.step(byte);
        out.push(byte);
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b"\n]\n" } else { b"[]\n" });
    }
}
