//! Functions that templates can call.

mod builtin;
mod compare;
mod docker;
mod escape;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::value::{NilKind, Value};

/// Why a function gave no value; templates report it as `error calling NAME: ...`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CallError(String);

impl From<String> for CallError {
    fn from(text: String) -> CallError {
        CallError(text)
    }
}

impl From<&str> for CallError {
    fn from(text: &str) -> CallError {
        CallError(text.to_owned())
    }
}

/// What a function returns.
pub(crate) type Result = std::result::Result<Value, CallError>;

/// What a parameter accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Param {
    /// Any value, also none.
    Any,
    /// A text.
    String,
    /// An integer of either sign.
    Int,
    /// A list or map, or a nil of such a type.
    List,
}

/// How many values of which sort a function takes.
#[derive(Clone, Debug)]
pub struct Signature {
    fixed: Vec<Param>,
    rest: Option<Param>,
}

impl Signature {
    /// Exactly these parameters.
    pub fn fixed(params: impl Into<Vec<Param>>) -> Signature {
        Signature { fixed: params.into(), rest: None }
    }

    /// These parameters and any number of `rest`.
    pub fn variadic(params: impl Into<Vec<Param>>, rest: Param) -> Signature {
        Signature { fixed: params.into(), rest: Some(rest) }
    }

    /// What the argument at `index` must be.
    pub(crate) fn param(&self, index: usize) -> Param {
        self.fixed.get(index).copied().or(self.rest).unwrap_or(Param::Any)
    }

    /// Whether this many arguments are right; `written` are those of the call itself, without the
    /// one that a pipeline adds.
    pub(crate) fn check(
        &self,
        name: &str,
        given: usize,
        written: usize,
    ) -> std::result::Result<(), String> {
        let want = self.fixed.len();
        match self.rest {
            Some(_) if given < want => {
                Err(format!("wrong number of args for {name}: want at least {want} got {written}"))
            }
            None if given != want => {
                Err(format!("wrong number of args for {name}: want {want} got {given}"))
            }
            _ => Ok(()),
        }
    }
}

impl Param {
    /// The Go type that errors name; `None` if everything is accepted.
    pub(crate) fn go_type(self) -> Option<&'static str> {
        match self {
            Param::Any => None,
            Param::String => Some("string"),
            Param::Int => Some("int"),
            Param::List => Some("[]string"),
        }
    }

    /// What errors call a literal that would fit, if there are such literals.
    pub(crate) fn literal(self) -> Option<&'static str> {
        match self {
            Param::String => Some("string"),
            Param::Int => Some("integer"),
            Param::Any | Param::List => None,
        }
    }

    pub(crate) fn accepts(self, value: &Value) -> bool {
        match self {
            Param::Any => true,
            Param::String => matches!(value, Value::String(_)),
            Param::Int => matches!(value, Value::Int(_) | Value::Uint(_)),
            Param::List => matches!(
                value,
                Value::List(_)
                    | Value::Map(_)
                    | Value::Null
                    | Value::Nil(NilKind::List | NilKind::Map | NilKind::Pointer(_))
            ),
        }
    }
}

type Body = dyn Fn(&[Value]) -> Result + Send + Sync;

/// How a function is run.
pub(crate) enum Call {
    /// All arguments are evaluated and passed.
    Plain(Box<Body>),
    /// `and`: stops at the first false argument.
    And,
    /// `or`: stops at the first true argument.
    Or,
    /// `call`: calls a function value.
    Indirect,
}

pub(crate) struct Function {
    pub signature: Signature,
    pub call: Call,
}

/// Functions by name. Cloning is cheap enough to make a set per use.
#[derive(Clone, Default)]
pub struct Functions {
    by_name: BTreeMap<String, Arc<Function>>,
}

impl Functions {
    /// Go's own functions: `and or not len index slice print printf println html js urlquery call
    /// eq ne lt le gt ge`.
    pub fn builtin() -> Functions {
        let mut functions = Functions::default();
        builtin::register(&mut functions);
        compare::register(&mut functions);
        escape::register(&mut functions);
        functions
    }

    /// Go's functions and Docker's: `json join split title upper lower pad truncate`.
    pub fn docker() -> Functions {
        let mut functions = Functions::builtin();
        docker::register(&mut functions);
        functions
    }

    /// As [`Functions::docker`] for the heading of a table: functions that change a column's value
    /// leave its heading alone.
    pub fn docker_headings() -> Functions {
        let mut functions = Functions::docker();
        docker::register_headings(&mut functions);
        functions
    }

    /// Adds a function, or replaces the one of that name. The arguments it is called with are of
    /// the number and sorts that `signature` says; a literal nil and a missing value both arrive as
    /// values for which [`Value::truth`] is false.
    pub fn add(
        &mut self,
        name: &str,
        signature: Signature,
        body: impl Fn(&[Value]) -> Result + Send + Sync + 'static,
    ) {
        self.insert(name, signature, Call::Plain(Box::new(body)));
    }

    /// Whether there is a function of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn insert(&mut self, name: &str, signature: Signature, call: Call) {
        self.by_name.insert(name.to_owned(), Arc::new(Function { signature, call }));
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name).map(AsRef::as_ref)
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// The text of a string argument; the signature has made sure that it is one.
fn text(arguments: &[Value], index: usize) -> &str {
    match arguments.get(index) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// The number of an integer argument; the signature has made sure that it is one.
fn int(arguments: &[Value], index: usize) -> i64 {
    match arguments.get(index) {
        Some(Value::Int(n)) => *n,
        Some(Value::Uint(n)) => i64::try_from(*n).unwrap_or(i64::MAX),
        _ => 0,
    }
}
