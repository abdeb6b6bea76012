//! Times the symbolizer: `cargo run --release --example symbolize -- FILE…` names 200 addresses spread over each file's code.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::Path;
use std::time::Instant;
use std::{env, io};

use pronghorn_native::{Symbolizer, offline};

const ADDRESSES: u64 = 200;
const SHOWN: usize = 5;

fn main() -> io::Result<()> {
    for file in env::args_os().skip(1) {
        let images = offline::image_list(Path::new(&file))?;
        let Some(code) = images
            .images()
            .iter()
            .flat_map(pronghorn_native::Image::segments)
            .max_by_key(|code| code.end - code.start)
        else {
            continue;
        };
        let stride = (code.end - code.start) / ADDRESSES;
        let addresses: Vec<u64> = (0..ADDRESSES)
            .map(|index| code.start + index * stride + stride / 2)
            .collect();
        let mut symbolizer = Symbolizer::new();
        let start = Instant::now();
        let symbols = symbolizer.symbolize(&images, &addresses);
        let first = start.elapsed();
        let start = Instant::now();
        symbolizer.symbolize(&images, &addresses);
        let again = start.elapsed();
        let named = symbols.iter().flatten().count();
        println!(
            "{}: {named} of {ADDRESSES} named in {first:.1?}, again in {again:.1?}",
            Path::new(&file).display()
        );
        for symbol in symbols
            .iter()
            .flatten()
            .step_by(named.div_ceil(SHOWN).max(1))
        {
            println!("  {:#x} {}", symbol.start, symbol.name);
        }
    }
    Ok(())
}
