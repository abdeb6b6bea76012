//! The sample buffer of one JavaScript thread: what the signal handler writes and a safe point on the same thread reads.
//!
//! Threads: one. The writer is the thread's signal handler, which may interrupt the reader at any instruction; the reader
//! never interrupts the writer. So the words are atomics only for the compiler's sake (relaxed, with compiler fences where
//! a record's bytes must be in place before its length), and the ticker reads the fill level from outside.
//!
//! Layout: records one behind the other, each a header and its raw frames, leaf first. When the reader has consumed
//! everything the buffer starts again at its beginning, so that a quiet process touches a few pages only. There is no
//! wrap-around: a record that does not fit is refused, and the caller counts it.
//!
//! Buffer and memory lie in the slot's mapping (`slot/memory.rs`), never freed (a late signal may still name its slot), reused by the next
//! thread that takes the slot. In a child both are zeroed: a buffer without memory, until its reset.

use pronghorn_v8::RawFrame;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed, compiler_fence};

/// Bytes of a buffer. About 1,300 samples of 30 frames, or 42 of 1,024.
pub const CAPACITY: u32 = 1 << 20;

/// What a record says beside its frames.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RecordHeader {
    /// Number of raw frames that follow.
    pub frames: u32,
    /// What the frames are.
    pub kind: RecordKind,
    /// The set of labels in force (`labels.rs`); 0 for none.
    pub labels: u32,
    /// During a garbage collection: the kind of the stack that caused it.
    pub cause: RecordKind,
    /// See [`crate::account::Deltas`].
    pub cpu_ns: u64,
    /// See [`crate::account::Deltas`].
    pub wall_ns: u64,
    /// See [`crate::account::Deltas`].
    pub still_ns: u64,
}

/// What the frames of a record are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum RecordKind {
    /// A whole stack.
    #[default]
    Stack = 0,
    /// A stack whose root end was cut off by the depth limit.
    Truncated = 1,
    /// A stack whose walk had to give up: the root end is missing.
    Broken = 2,
    /// No walk was possible; there are no frames.
    Refused = 3,
    /// Taken during a garbage collection that moves young objects only: the frames are those of the stack that caused it.
    GarbageCollection = 4,
    /// Taken during a full garbage collection. There are no frames: its stack is the one that the prologue hook took, and resolved or kept.
    FullCollection = 5,
}

const HEADER: usize = size_of::<RecordHeader>();
const FRAME: usize = size_of::<RawFrame>();

/// See the module documentation.
pub struct SampleBuffer {
    base: AtomicPtr<u8>,
    head: AtomicU32,
    tail: AtomicU32,
    /// Records between head and tail, for those who look from outside.
    records: AtomicU32,
}

impl SampleBuffer {
    /// A buffer without memory: every write is refused.
    pub const fn new() -> Self {
        Self {
            base: AtomicPtr::new(std::ptr::null_mut()),
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            records: AtomicU32::new(0),
        }
    }

    /// From here on the buffer has memory.
    ///
    /// # Safety
    /// `CAPACITY` bytes, aligned to 8, for good, and for this buffer alone.
    pub unsafe fn attach(&self, base: *mut u8) {
        self.base.store(base, Relaxed);
    }

    /// Whether it has memory.
    pub fn is_attached(&self) -> bool {
        !self.base.load(Relaxed).is_null()
    }

    /// A buffer on the same memory, with nothing in it; for a child, in which nobody uses this one any more.
    pub fn emptied(&self) -> Self {
        Self {
            base: AtomicPtr::new(self.base.load(Relaxed)),
            ..Self::new()
        }
    }

    /// Throws away whatever is in the buffer. Only while no handler writes.
    pub fn clear(&self) {
        self.tail.store(0, Relaxed);
        self.head.store(0, Relaxed);
        self.records.store(0, Relaxed);
    }

    /// Bytes that wait to be read. From any thread; a snapshot.
    pub fn used(&self) -> u32 {
        let head = self.head.load(Relaxed);
        self.tail.load(Relaxed).saturating_sub(head)
    }

    /// Whether nothing waits to be read.
    pub fn is_empty(&self) -> bool {
        self.used() == 0
    }

    /// Records that wait to be read. From any thread; a snapshot.
    pub fn records(&self) -> u32 {
        self.records.load(Relaxed)
    }

    /// Starts a record behind the last one. Async-signal-safe. `None` if not even its header fits.
    pub fn begin(&self) -> Option<RecordWriter<'_>> {
        let base = self.base.load(Relaxed);
        let start = self.tail.load(Relaxed) as usize;
        if base.is_null() || start + HEADER > CAPACITY as usize {
            return None;
        }
        Some(RecordWriter {
            buffer: self,
            // SAFETY: `start + HEADER` lies within the mapping of CAPACITY bytes.
            header: unsafe { base.add(start) }.cast(),
            // SAFETY: as above; the frames follow the header.
            frames: unsafe { base.add(start + HEADER) }.cast(),
            start,
            len: 0,
            capacity: (CAPACITY as usize - start - HEADER) / FRAME,
        })
    }

    /// The oldest record, if there is one. Reader only.
    pub fn peek(&self) -> Option<(RecordHeader, &[RawFrame])> {
        let head = self.head.load(Relaxed);
        if head >= self.tail.load(Relaxed) {
            return None;
        }
        pronghorn_sync::failpoint!("mid-drain");
        self.record_at(head)
    }

    /// The only record. Async-signal-safe: for a buffer that nobody reads or writes meanwhile.
    pub fn only(&self) -> Option<(RecordHeader, &[RawFrame])> {
        if self.is_empty() {
            return None;
        }
        self.record_at(0)
    }

    /// The record that begins at `head`, which is not behind the last.
    fn record_at(&self, head: u32) -> Option<(RecordHeader, &[RawFrame])> {
        compiler_fence(std::sync::atomic::Ordering::Acquire);
        let base = self.base.load(Relaxed);
        if base.is_null() {
            // A signal handler of somebody's has forked since: this is a child, and the memory is wiped.
            return None;
        }
        // SAFETY: records between head and tail were completed by `commit` within the mapping; headers and frames have
        // sizes that are multiples of 8, so both are aligned; the writer appends behind the tail and does not change them.
        unsafe {
            let header = *base.add(head as usize).cast::<RecordHeader>();
            let frames = base.add(head as usize + HEADER).cast::<RawFrame>();
            Some((
                header,
                std::slice::from_raw_parts(frames, header.frames as usize),
            ))
        }
    }

    /// Drops the oldest record. Reader only.
    pub fn consume(&self) {
        let Some((header, _)) = self.peek() else {
            return;
        };
        let next = self.head.load(Relaxed) + (HEADER + header.frames as usize * FRAME) as u32;
        self.head.store(next, Relaxed);
        self.records.fetch_sub(1, Relaxed);
        // A handler that interrupts before the exchange makes it fail, and the record it wrote is read next; one that
        // interrupts after it writes at the beginning, where the head arrives with the next store.
        if self
            .tail
            .compare_exchange(next, 0, Relaxed, Relaxed)
            .is_ok()
        {
            self.head.store(0, Relaxed);
        }
    }
}

/// A record that is being written. Dropping it without `commit` leaves no trace.
pub struct RecordWriter<'a> {
    buffer: &'a SampleBuffer,
    header: *mut RecordHeader,
    frames: *mut RawFrame,
    start: usize,
    len: usize,
    capacity: usize,
}

impl RecordWriter<'_> {
    /// Appends a frame; false if the buffer is full.
    pub fn push(&mut self, frame: RawFrame) -> bool {
        if self.len >= self.capacity {
            return false;
        }
        // SAFETY: `len < capacity` keeps the frame within the mapping; nobody reads behind the tail.
        unsafe { self.frames.add(self.len).write(frame) };
        self.len += 1;
        true
    }

    /// Appends all of them; false if they do not fit, and then none is.
    pub fn extend(&mut self, frames: &[RawFrame]) -> bool {
        if frames.len() > self.capacity - self.len {
            return false;
        }
        // SAFETY: the frames fit into what is left of the mapping; nobody reads behind the tail, so they are no part of this.
        unsafe {
            let end = self.frames.add(self.len);
            std::ptr::copy_nonoverlapping(frames.as_ptr(), end, frames.len());
        }
        self.len += frames.len();
        true
    }

    /// Frames appended so far.
    pub fn frames(&self) -> usize {
        self.len
    }

    /// Completes the record. `header.frames` is filled in here.
    pub fn commit(self, mut header: RecordHeader) {
        header.frames = self.len as u32;
        // SAFETY: the header's place lies within the mapping (`begin`), and nobody reads behind the tail.
        unsafe { self.header.write(header) };
        compiler_fence(std::sync::atomic::Ordering::Release);
        let end = self.start + HEADER + self.len * FRAME;
        self.buffer.tail.store(end as u32, Relaxed);
        self.buffer.records.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer() -> SampleBuffer {
        let buffer = SampleBuffer::new();
        let memory = vec![0u64; CAPACITY as usize / 8].leak();
        // SAFETY: leaked for this buffer, and large enough.
        unsafe { buffer.attach(memory.as_mut_ptr().cast()) };
        buffer
    }

    fn write(buffer: &SampleBuffer, frames: u64) {
        let mut writer = buffer.begin().unwrap();
        for pc in 0..frames {
            assert!(writer.push(RawFrame::native(pc, true)));
        }
        writer.commit(RecordHeader {
            cpu_ns: frames,
            ..RecordHeader::default()
        });
    }

    #[test]
    fn records_come_back_in_their_order() {
        let buffer = buffer();
        write(&buffer, 3);
        write(&buffer, 0);
        write(&buffer, 5);
        assert_eq!(buffer.records(), 3);
        for expected in [3, 0, 5] {
            let (header, frames) = buffer.peek().unwrap();
            assert_eq!((header.cpu_ns, frames.len() as u64), (expected, expected));
            assert!(frames.iter().map(RawFrame::pc).eq(0..expected));
            buffer.consume();
        }
        assert!(buffer.peek().is_none());
    }

    #[test]
    fn an_emptied_buffer_starts_at_its_beginning_again() {
        let buffer = buffer();
        for _ in 0..10_000 {
            write(&buffer, 100);
            buffer.consume();
        }
        assert_eq!((buffer.used(), buffer.tail.load(Relaxed)), (0, 0));
    }

    #[test]
    fn a_record_written_while_the_last_one_is_consumed_is_kept() {
        let buffer = buffer();
        write(&buffer, 2);
        // As if the handler had come right before the reader's exchange: the tail has moved on.
        let consumed = buffer.peek().unwrap().0.frames;
        write(&buffer, 7);
        buffer.consume();
        assert_eq!(consumed, 2);
        assert_eq!(buffer.peek().unwrap().0.frames, 7);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_no_trace() {
        let buffer = buffer();
        let mut records = 0;
        while let Some(mut writer) = buffer.begin() {
            if !(0..1_000).all(|pc| writer.push(RawFrame::native(pc, true))) {
                break;
            }
            writer.commit(RecordHeader::default());
            records += 1;
        }
        assert!(records > 40);
        assert_eq!(buffer.records(), records);
        assert!(buffer.used() <= CAPACITY);
    }

    #[test]
    fn frames_of_another_record_are_appended_whole_or_not_at_all() {
        let (one, other) = (buffer(), buffer());
        write(&one, 5);
        let (_, frames) = one.only().unwrap();
        let mut writer = other.begin().unwrap();
        assert!(writer.push(RawFrame::native(9, true)) && writer.extend(frames));
        writer.commit(RecordHeader::default());
        let pcs: Vec<u64> = other.only().unwrap().1.iter().map(RawFrame::pc).collect();
        assert_eq!(pcs, [9, 0, 1, 2, 3, 4]);
        let mut written = 0;
        while let Some(mut writer) = other.begin() {
            let before = writer.frames();
            if !writer.extend(frames) {
                assert_eq!(writer.frames(), before);
                break;
            }
            writer.commit(RecordHeader::default());
            written += 1;
        }
        assert!(written > 1_000);
        assert!(buffer().only().is_none());
    }

    #[test]
    fn a_record_that_is_not_committed_was_never_there() {
        let buffer = buffer();
        let mut writer = buffer.begin().unwrap();
        assert!(writer.push(RawFrame::native(1, true)));
        assert!(buffer.is_empty());
        write(&buffer, 2);
        assert_eq!(buffer.records(), 1);
    }

    #[test]
    fn a_reader_whose_memory_was_wiped_meanwhile_finds_nothing() {
        let buffer = buffer();
        write(&buffer, 2);
        // As a fork in a signal handler leaves it, between two loads of the reader's.
        buffer.base.store(std::ptr::null_mut(), Relaxed);
        assert!(buffer.peek().is_none());
        buffer.consume();
        assert!(buffer.begin().is_none());
    }

    #[test]
    fn without_memory_nothing_is_written() {
        assert!(SampleBuffer::new().begin().is_none());
    }
}
