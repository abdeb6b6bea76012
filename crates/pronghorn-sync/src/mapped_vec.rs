//! A growing array in a [`Mapping`]: what `Vec` is to the allocator.
//!
//! Threads: as a `Vec`. Fork: a process forked off from the one that made it may go on using it until its reset unmaps
//! what is inherited; dropped there, before or after, it does nothing: no destructor runs, and nothing is given back.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::Mapping;
use crate::mapping::{Kind, MapError};

/// See the module's description. Has no memory until it is asked to hold something.
#[derive(Debug)]
pub struct MappedVec<T> {
    mapping: Option<Mapping>,
    /// The mapping's base, or dangling.
    base: NonNull<T>,
    len: usize,
    /// How many elements the mapping has room for.
    capacity: usize,
    kind: Kind,
    owns: PhantomData<T>,
}

// SAFETY: it owns its elements and its memory as a `Vec` does.
unsafe impl<T: Send> Send for MappedVec<T> {}
// SAFETY: likewise; shared access gives out shared elements only.
unsafe impl<T: Sync> Sync for MappedVec<T> {}

impl<T> MappedVec<T> {
    const SIZE: usize = {
        assert!(
            size_of::<T>() != 0,
            "elements without a size need no memory"
        );
        assert!(align_of::<T>() <= 4096, "a mapping begins on a page");
        size_of::<T>()
    };

    /// An empty one without memory.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            mapping: None,
            base: NonNull::dangling(),
            len: 0,
            capacity: 0,
            kind,
            owns: PhantomData,
        }
    }

    /// An empty one with room for that many elements.
    ///
    /// # Errors
    /// There is no memory.
    pub fn with_capacity(elements: usize, kind: Kind) -> Result<Self, MapError> {
        let mut made = Self::new(kind);
        made.reserve(elements)?;
        Ok(made)
    }

    /// How many elements it can hold without growing.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether it has memory that belongs to a process which this one was forked off from.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.mapping.as_ref().is_some_and(Mapping::is_inherited)
    }

    /// Makes room for that many more elements; the pushes after it cannot fail. Grows by half at least.
    ///
    /// # Errors
    /// There is no memory; nothing has changed then.
    pub fn reserve(&mut self, additional: usize) -> Result<(), MapError> {
        if additional <= self.capacity - self.len {
            return Ok(());
        }
        self.grow(additional)
    }

    #[cold]
    fn grow(&mut self, additional: usize) -> Result<(), MapError> {
        const NO_MEMORY: MapError = MapError::Refused(libc::ENOMEM);
        let least = self.len.checked_add(additional).ok_or(NO_MEMORY)?;
        let elements = least.max(self.capacity.saturating_add(self.capacity / 2));
        let bytes = elements.checked_mul(Self::SIZE).ok_or(NO_MEMORY)?;
        let mapping = match &mut self.mapping {
            Some(mapping) => {
                mapping.grow(bytes)?;
                mapping
            }
            none => none.insert(Mapping::new(bytes, self.kind)?),
        };
        self.base = mapping.base().cast();
        self.capacity = mapping.bytes() / Self::SIZE;
        Ok(())
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    /// There is no memory; `value` is dropped then.
    pub fn push(&mut self, value: T) -> Result<(), MapError> {
        self.reserve(1)?;
        // SAFETY: there is room for one more element behind the last.
        unsafe { self.base.add(self.len).write(value) };
        self.len += 1;
        Ok(())
    }

    /// Drops the elements from `len` on; the room stays.
    pub fn truncate(&mut self, len: usize) {
        let Some(beyond) = self.len.checked_sub(len) else {
            return;
        };
        self.len = len;
        // SAFETY: they are there, and out of reach with the length set back.
        unsafe { NonNull::slice_from_raw_parts(self.base.add(len), beyond).drop_in_place() };
    }
}

impl<T: Copy> MappedVec<T> {
    /// That many copies of one value.
    ///
    /// # Errors
    /// There is no memory.
    pub fn filled(value: T, elements: usize, kind: Kind) -> Result<Self, MapError> {
        let mut made = Self::with_capacity(elements, kind)?;
        for index in 0..elements {
            // SAFETY: there is room for `elements`.
            unsafe { made.base.add(index).write(value) };
        }
        made.len = elements;
        Ok(made)
    }
}

impl<T> Deref for MappedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements are there, or the pointer dangles and there are none. In a forked process the memory is
        // there until a reset, whose `Alone` says that nobody looks afterwards.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for MappedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl<T> Drop for MappedVec<T> {
    fn drop(&mut self) {
        let inherited = self.mapping.as_ref().is_none_or(Mapping::is_inherited);
        if inherited || !std::mem::needs_drop::<T>() {
            return;
        }
        let elements = NonNull::slice_from_raw_parts(self.base, std::mem::take(&mut self.len));
        // SAFETY: they are there, nobody else refers to them, and with the length taken nobody drops them again.
        unsafe { elements.drop_in_place() };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn elements_stay_while_it_grows_and_are_dropped_once() {
        let shared = Arc::new(0);
        let mut all = MappedVec::new(Kind::Slot);
        assert!(all.is_empty());
        for number in 0..20_000_u64 {
            all.push((number, Arc::clone(&shared))).expect("memory");
        }
        assert_eq!(all.len(), 20_000);
        assert!(
            all.iter()
                .zip(0..)
                .all(|((number, _), index)| *number == index)
        );
        all[7].0 = 70;
        assert_eq!(all[7].0, 70);
        assert_eq!(Arc::strong_count(&shared), 20_001);
        all.truncate(30_000);
        all.truncate(15_000);
        assert_eq!((all.len(), all[14_999].0), (15_000, 14_999));
        assert_eq!(Arc::strong_count(&shared), 15_001);
        drop(all);
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    #[test]
    fn a_reservation_holds() {
        let mut all = MappedVec::with_capacity(100, Kind::Slot).expect("memory");
        let capacity = all.capacity();
        assert!(capacity >= 100);
        let base = all.as_ptr();
        all.reserve(capacity).expect("memory");
        for number in 0..capacity as u32 {
            all.push(number).expect("memory");
        }
        assert_eq!((all.as_ptr(), all.capacity()), (base, capacity));
    }

    #[test]
    fn memory_that_is_used_again_is_filled_anew() {
        for value in [7_u32, 0, 9] {
            let filled = MappedVec::filled(value, 3_000, Kind::Slot).expect("memory");
            assert!(filled.len() == 3_000 && filled.iter().all(|found| *found == value));
        }
    }

    #[test]
    fn too_much_is_an_error_and_changes_nothing() {
        let mut all = MappedVec::new(Kind::Slot);
        all.push(1_u64).expect("memory");
        for much in [usize::MAX, usize::MAX / 8, 1 << 60] {
            assert!(matches!(all.reserve(much), Err(MapError::Refused(_))));
        }
        assert_eq!(&all[..], [1]);
        all.push(2).expect("memory");
        assert!(MappedVec::<u64>::with_capacity(usize::MAX, Kind::Slot).is_err());
    }
}
