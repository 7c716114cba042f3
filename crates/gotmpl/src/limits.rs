//! What a template may cost. Nothing here can be configured: a template that needs more is wrong.

/// Longest template text, in bytes. The longest known alert templates have about 20 KiB.
pub const TEMPLATE_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting of control structures and parentheses in a template's text.
pub const PARSE_DEPTH_MAX: usize = 100;

/// Deepest nesting of blocks, pipelines and template calls while executing. It keeps a template
/// that calls itself within a thread's stack of 2 MiB.
pub const EXEC_DEPTH_MAX: usize = 150;

/// Deepest nesting of a value that is printed or encoded; JSON that is read here has at most 128.
pub const VALUE_DEPTH_MAX: usize = 150;

/// Longest output, and longest text that any single function makes, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// Most steps of one execution: a node walked, a command run, or 64 bytes made by a function.
pub const STEPS_MAX: u64 = 5_000_000;

/// Largest width or precision of a `printf` verb; Go's own limit.
pub const PRINTF_WIDTH_MAX: i64 = 1_000_000;
