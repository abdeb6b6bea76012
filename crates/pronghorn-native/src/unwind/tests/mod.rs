//! Tests of the unwinder against truths that do not come from it.

mod damage;
mod expressions;
mod fixture;
mod maps;
mod node_frames;
mod signal_frame;
mod single_step;
mod stack_use;
mod stepper;
