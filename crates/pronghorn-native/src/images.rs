//! The executable images of the process at one moment.
//!
//! # Threads
//!
//! A list is made on a normal thread, never changes, and may then be read by any thread and any signal handler at the same
//! time. Whoever publishes it to handlers keeps it for good: a handler may be reading it at any moment. An image that is
//! unloaded after the snapshot stays in the list; everything that reads its memory does so with checked loads.
//!
//! # Fork
//!
//! A child has the same images at the same addresses, so an inherited list stays true.

use std::path::Path;

use crate::unwind::UnwindTable;

/// An executable part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub start: u64,
    /// The address behind the last one.
    pub end: u64,
    /// Where `start` lies in the file, in bytes.
    pub file_offset: u64,
}

/// A loaded executable, shared library or the kernel's `[vdso]`.
#[derive(Clone, Debug)]
pub struct Image {
    pub(crate) path: Box<Path>,
    pub(crate) load_bias: u64,
    pub(crate) header: u64,
    pub(crate) segments: Box<[Segment]>,
    pub(crate) build_id: Option<Box<[u8]>>,
    pub(crate) unwind_table: Option<UnwindTable>,
    pub(crate) is_main: bool,
}

impl Image {
    /// The path the image was loaded from, as the loader knows it; `[vdso]` for the kernel's.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to add to an address in the file's symbol table to get an address in this process.
    #[must_use]
    pub fn load_bias(&self) -> u64 {
        self.load_bias
    }

    /// The executable segments, by ascending address.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The linker's build id, usually 20 bytes.
    #[must_use]
    pub fn build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref()
    }

    /// The image's index of frame descriptions; `None` if it has none or in a form that is not read.
    #[must_use]
    pub fn unwind_table(&self) -> Option<UnwindTable> {
        self.unwind_table
    }

    /// Whether this is the program itself, not a library.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.is_main
    }

    /// Whether this is the code that the kernel maps into every process.
    #[must_use]
    pub fn is_vdso(&self) -> bool {
        self.path.as_os_str() == VDSO
    }
}

/// The path of the image that the kernel provides, as in `/proc/self/maps`.
pub(crate) const VDSO: &str = "[vdso]";

/// A snapshot of the loaded images. See the module for its threads and life.
#[derive(Clone, Debug, Default)]
pub struct ImageList {
    images: Box<[Image]>,
    /// All executable segments, by ascending address, and the index of the image each belongs to.
    segments: Box<[(Segment, u32)]>,
    generation: u64,
}

impl ImageList {
    /// The images that are loaded now. Takes the loader's lock and allocates: for normal threads only, and not for the
    /// child of a fork before it is back in ordinary code.
    #[must_use]
    pub fn snapshot() -> Self {
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        {
            let (images, generation) = crate::scan::scan();
            Self::new(images, generation)
        }
        #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
        Self::default()
    }

    /// A list of these images.
    pub(crate) fn new(images: Vec<Image>, generation: u64) -> Self {
        let mut segments: Vec<(Segment, u32)> = Vec::new();
        for (image, index) in images.iter().zip(0_u32..) {
            segments.extend(image.segments.iter().map(|&segment| (segment, index)));
        }
        segments.sort_unstable_by_key(|(segment, _)| segment.start);
        Self {
            images: images.into(),
            segments: segments.into(),
            generation,
        }
    }

    /// How many images had been loaded and unloaded, together, since the process began: grows with every change, so it
    /// names the set of images. A handler may ask.
    #[inline]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether an image was loaded or unloaded since the snapshot. Takes the loader's lock: well under a microsecond, for normal
    /// threads only.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        {
            crate::scan::generation() != self.generation
        }
        #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
        false
    }

    /// All images, in the loader's order: the program itself first.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The image whose code `pc` lies in. A handler may ask: a binary search, no memory outside of the list is touched.
    #[inline]
    #[must_use]
    pub fn find(&self, pc: u64) -> Option<&Image> {
        self.find_segment(pc).map(|(image, _)| image)
    }

    /// The image and the executable segment that `pc` lies in. A handler may ask.
    #[inline]
    #[must_use]
    pub fn find_segment(&self, pc: u64) -> Option<(&Image, Segment)> {
        let (segment, index) = self.locate(pc)?;
        Some((self.images.get(index)?, segment))
    }

    /// The position in [`Self::images`] of the image that `pc` lies in.
    pub(crate) fn find_index(&self, pc: u64) -> Option<usize> {
        self.locate(pc).map(|(_, index)| index)
    }

    #[inline]
    fn locate(&self, pc: u64) -> Option<(Segment, usize)> {
        let above = self
            .segments
            .partition_point(|(segment, _)| segment.start <= pc);
        let &(segment, index) = self.segments.get(above.checked_sub(1)?)?;
        (pc < segment.end).then_some((segment, index as usize))
    }

    /// Whether `pc` lies in the program's own code. A handler may ask.
    #[inline]
    #[must_use]
    pub fn main_image_contains(&self, pc: u64) -> bool {
        self.find(pc).is_some_and(Image::is_main)
    }
}
