//! Times the steps that the bytes of a dump pass through, each alone:
//!
//! ```sh
//! cargo bench --features bench -- cutter
//! ```
//!
//! The text is generated, and the same in every run. Where a figure is a rate, it counts bytes of the text.
//!
//! `… -- encode METHOD` compresses standard input instead, on one thread, and prints how many seconds the compressor
//! took. `benches/compare` needs that to tell how fast a dump could be at best.

mod codec;
mod cutter;
mod encode;
mod index;
mod parts;
mod reading;
mod rows;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("encode") {
        let method = arguments.next().unwrap_or_default();
        let seconds = encode::stdin(method.parse().expect("a method of compression")).expect("a text");
        println!("{seconds:.3}");
        return;
    }
    divan::main();
}
