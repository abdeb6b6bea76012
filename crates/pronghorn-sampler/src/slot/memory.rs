//! The memory of one slot: one mapping, which no fork copies, and which is never given back.
//!
//! A late signal may still name a slot whose thread is gone, and what the handler writes there has to stay mapped. One mapping rather
//! than four, and not copied, since both is what a fork of the program pays for (docs/measurements.md).
//!
//! Threads: mapped by a thread that takes the slot, for good; who writes what then is said in `slot.rs`, `buffer.rs` and
//! `pronghorn_native::unwind`. Fork: a child finds zeroes, a state of rest without samples and rules; its reset writes a fresh one all the
//! same, since a kernel that cannot wipe copies instead.

use std::cell::UnsafeCell;

use pronghorn_native::unwind::UnwindCache;
use pronghorn_sync::Alone;
use pronghorn_sync::mapping::{Kind, for_good};

use super::live::Live;
use crate::buffer::CAPACITY;

/// See the module's description. Zeroes are a valid content.
#[repr(C)]
pub(super) struct SlotMemory {
    live: UnsafeCell<Live>,
    /// Touched by the handler of the slot's thread alone, or by that thread while it holds `busy`.
    cache: UnwindCache,
    samples: Room,
    gc_stack: Room,
}

/// Room for the records of a buffer, on pages of its own.
#[repr(C, align(4096))]
struct Room(UnsafeCell<[u8; CAPACITY as usize]>);

impl Room {
    fn base(&self) -> *mut u8 {
        self.0.get().cast()
    }
}

impl SlotMemory {
    /// Fresh memory, at rest; `None` if the kernel has none. Pages cost nothing until they are touched.
    pub(super) fn map() -> Option<&'static Self> {
        let base = for_good(size_of::<Self>(), Kind::Wiped).ok()?;
        // SAFETY: mapped for good, on a page, large enough, and zeroes are a valid content.
        let memory: &'static Self = unsafe { base.cast().as_ref() };
        memory.attach_buffers();
        Some(memory)
    }

    fn attach_buffers(&self) {
        let Live {
            buffer, gc_stack, ..
        } = self.live();
        // SAFETY: each room has CAPACITY bytes, is there for good, and belongs to that buffer alone.
        unsafe {
            buffer.attach(self.samples.base());
            gc_stack.attach(self.gc_stack.base());
        }
    }

    pub(super) fn live(&self) -> &Live {
        // SAFETY: written only by `reset`, whose proof says that nobody holds a reference.
        unsafe { &*self.live.get() }
    }

    pub(super) fn cache(&self) -> &UnwindCache {
        &self.cache
    }

    /// In a forked process: at rest, with nothing in it. The rules go too: the fork may have come in the middle of writing one, by a thread that is gone or by
    /// this one, and who uses the memory next would unwind by a torn rule.
    pub(super) fn reset(&self, _alone: &Alone) {
        let fresh = self.live().inherited();
        // SAFETY: by the proof nobody else is there, and no reference to the old value is used any more.
        unsafe { self.live.get().write(fresh) };
        self.attach_buffers();
        self.cache.clear();
    }
}
