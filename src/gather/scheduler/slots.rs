//! A table whose rows are used again, with handles that notice it.

use std::marker::PhantomData;

/// A row of a [`Slots`]. It finds nothing once the row was removed, also when the place is used again.
pub(crate) struct Handle<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> Handle<T> {
    /// The row's place, which later rows may use again.
    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

impl<T> PartialEq for Handle<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}

impl<T> Eq for Handle<T> {}

impl<T> std::fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

pub(crate) struct Slots<T> {
    rows: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { rows: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, row: T) -> Handle<T> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.rows.push((0, None));
            (self.rows.len() - 1) as u32
        });
        let place = &mut self.rows[index as usize];
        place.1 = Some(row);
        Handle { index, generation: place.0, of: PhantomData }
    }

    pub(crate) fn remove(&mut self, handle: Handle<T>) -> Option<T> {
        let place = self.rows.get_mut(handle.index as usize)?;
        if place.0 != handle.generation {
            return None;
        }
        let row = place.1.take()?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(handle.index);
        Some(row)
    }

    pub(crate) fn get(&self, handle: Handle<T>) -> Option<&T> {
        let (generation, row) = self.rows.get(handle.index as usize)?;
        row.as_ref().filter(|_| *generation == handle.generation)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle<T>) -> Option<&mut T> {
        let (generation, row) = self.rows.get_mut(handle.index as usize)?;
        row.as_mut().filter(|_| *generation == handle.generation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle<T>, &T)> {
        self.rows.iter().enumerate().filter_map(|(index, (generation, row))| {
            let handle = Handle { index: index as u32, generation: *generation, of: PhantomData };
            row.as_ref().map(|row| (handle, row))
        })
    }
}

impl<T> std::ops::Index<Handle<T>> for Slots<T> {
    type Output = T;

    fn index(&self, handle: Handle<T>) -> &T {
        self.get(handle).expect("the row is there as long as its handle is kept")
    }
}

impl<T> std::ops::IndexMut<Handle<T>> for Slots<T> {
    fn index_mut(&mut self, handle: Handle<T>) -> &mut T {
        self.get_mut(handle).expect("the row is there as long as its handle is kept")
    }
}
