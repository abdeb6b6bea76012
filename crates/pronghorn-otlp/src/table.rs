//! A table that takes each value once, and numbers only those that somebody names.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;

/// Entries by value, with handles of the type `H`. Entry 0 is the zero value, which is always there.
///
/// An entry that is inserted has a handle, and no number. [`Table::number`] gives it one at the first call, in the order of these calls, and
/// [`Table::numbered`] finds it again: what nobody asked the number of is never written.
#[derive(Debug)]
pub(crate) struct Table<H, T> {
    handles: HashMap<T, u32>,
    entries: Vec<T>,
    /// The number of each entry; 0 if it has none, and for the zero value.
    numbers: Vec<u32>,
    /// The entries that have numbers, from number 1.
    numbered: Vec<u32>,
    marker: PhantomData<H>,
}

impl<H: From<u32> + Into<u32>, T: Clone + Default + Eq + Hash> Table<H, T> {
    pub(crate) fn new() -> Self {
        let mut table = Self {
            handles: HashMap::new(),
            entries: Vec::new(),
            numbers: Vec::new(),
            numbered: Vec::new(),
            marker: PhantomData,
        };
        table.insert(T::default());
        table
    }

    /// The handle of a value.
    pub(crate) fn insert(&mut self, value: T) -> H {
        let next = self.entries.len() as u32;
        let handle = *self.handles.entry(value.clone()).or_insert_with(|| {
            self.entries.push(value);
            self.numbers.push(0);
            next
        });
        H::from(handle)
    }

    pub(crate) fn get(&self, handle: H) -> &T {
        &self.entries[handle.into() as usize]
    }

    /// The index that the entry has in the dictionary.
    pub(crate) fn number(&mut self, handle: H) -> u64 {
        let handle = handle.into();
        let number = &mut self.numbers[handle as usize];
        if *number == 0 && handle != 0 {
            self.numbered.push(handle);
            *number = self.numbered.len() as u32;
        }
        u64::from(*number)
    }

    /// The entry with this number, from 1 on.
    pub(crate) fn numbered(&self, number: usize) -> Option<&T> {
        let handle = *self.numbered.get(number.checked_sub(1)?)?;
        self.entries.get(handle as usize)
    }
}

/// Makes a handle of a table: a number that only the table hands out.
macro_rules! handle {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl From<u32> for $name {
            fn from(handle: u32) -> Self {
                Self(handle)
            }
        }

        impl From<$name> for u32 {
            fn from(handle: $name) -> Self {
                handle.0
            }
        }
    )*};
}
pub(crate) use handle;

#[cfg(test)]
mod tests {
    use super::*;

    handle!(Handle);

    #[test]
    fn a_value_has_one_handle_and_a_number_from_when_it_is_first_named() {
        let mut table: Table<Handle, &str> = Table::new();
        let [unused, first, second] = ["unused", "first", "second"].map(|text| table.insert(text));
        assert_eq!(table.insert("first"), first);
        assert_eq!(table.insert(""), Handle(0));
        assert_eq!(table.get(unused), &"unused");

        assert_eq!(table.number(second), 1);
        assert_eq!(table.number(first), 2);
        assert_eq!(table.number(second), 1);
        assert_eq!(table.number(Handle(0)), 0);
        assert_eq!(table.numbered(0), None);
        assert_eq!(table.numbered(1), Some(&"second"));
        assert_eq!(table.numbered(2), Some(&"first"));
        assert_eq!(table.numbered(3), None);
    }
}
