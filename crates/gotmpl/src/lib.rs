//! Go templates: the `text/template` language over a value model.
//!
//! `--format` flags, log tags, placeholders and alert texts are written in this language. A
//! template is parsed once and executed on a [`Value`]; results, error texts and number formats are
//! those of Go, because scripts and people depend on them.
//!
//! ```
//! use gotmpl::{Functions, Record, Template, Value};
//!
//! let template = Template::parse("", "{{.Name}}: {{json .Tags}}", &Functions::docker())?;
//! let image = Record::new("Image").with("Name", "web").with("Tags", Value::strings(["a", "b"]));
//! assert_eq!(template.execute(&image.into())?, r#"web: ["a","b"]"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Glossary
//!
//! - **action**: what stands between `{{` and `}}`.
//! - **pipeline**: commands joined by `|`; each passes its value to the next as the last argument.
//! - **dot**: the value that a bare `.` means at a place in the template.
//! - **raw view**, **typed view**: two ways to see the same JSON. In the raw one ([`From`]) every
//!   object is a map without order and a missing key of a map is nil. In the typed one
//!   ([`serde::Deserialize`], [`Value::from_serialize`]) the order of an object's members is kept
//!   for `json`, and a missing key reads as the zero value of the map's other entries. Docker's
//!   `inspect` tries a typed view first and falls back to the raw one with [`MissingKey::Error`].
//!
//! # What this crate does not know
//!
//! Tables and their headings, the escapes `\t` and `\n` that Docker expands before parsing, files,
//! and the objects that are shown. Complex numbers, channels and function values of Go have no
//! place here.
//!
//! # Limits
//!
//! Templates may come from strangers: see [`limits`].

mod ast;
mod exec;
mod format;
mod functions;
pub mod json;
mod lex;
pub mod limits;
mod parse;
mod template;
mod value;

pub use exec::ExecError;
pub use format::{sprint, sprintf};
pub use functions::{CallError, Functions, Param, Signature};
pub use parse::ParseError;
pub use template::{MissingKey, Template};
pub use value::{Map, NilKind, Object, Record, Value};

#[cfg(test)]
mod tests;
