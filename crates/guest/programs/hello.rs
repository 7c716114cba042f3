//! `/hello [--json]`: the program of the image `wharf/hello`. Tells what isolates it, as a table
//! for a person or as JSON for a program. What cannot be seen from inside is said to be so.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;
mod json;
mod kernel;
mod report;
mod start;
mod table;

pub fn main(args: start::Args) -> i32 {
    match (args.nth(1), args.nth(1).and_then(|_| args.nth(2))) {
        (None, _) => print(&table::render(&report::gather())),
        (Some(option), None) if option == c"--json" => print(&json::render(&report::gather())),
        (Some(option), None) if option == c"--help" => print("usage: /hello [--json]\n"),
        _ => {
            kernel::write_all(kernel::STDERR, b"usage: /hello [--json]\n");
            return 1;
        }
    }
    0
}

fn print(text: &str) {
    kernel::write_all(kernel::STDOUT, text.as_bytes());
}
