//! Tests of the unwinder against truths that do not come from it.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod damage;
mod expressions;
mod fixture;
mod maps;
mod node_frames;
mod signal_frame;
mod single_step;
mod stack_use;
mod stepper;
