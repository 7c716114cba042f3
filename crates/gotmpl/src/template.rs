//! A parsed template with all that it defines.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::Body;
use crate::exec::{self, ExecError};
use crate::functions::Functions;
use crate::parse::{self, ParseError};
use crate::value::Value;

/// What a key that a map does not have means.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MissingKey {
    /// It prints as `<no value>`.
    #[default]
    Default,
    /// It is the zero value of the map's entries.
    Zero,
    /// Execution stops.
    Error,
}

/// A parsed template. It can be executed any number of times, by many threads at once.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    bodies: BTreeMap<String, Arc<Definition>>,
    functions: Functions,
    missing_key: MissingKey,
}

/// One named template of a set.
#[derive(Debug)]
pub(crate) struct Definition {
    pub body: Body,
    pub source: Arc<Source>,
}

/// A text that was parsed; errors point into it.
#[derive(Debug)]
pub(crate) struct Source {
    pub name: String,
    pub text: String,
}

impl Source {
    /// Name, line from 1 and column from 0 of a byte, as Go's errors give them.
    pub fn locate(&self, pos: usize) -> String {
        let before = self.text.get(..pos).unwrap_or(&self.text);
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(pos, |newline| pos - newline - 1);
        format!("{}:{line}:{column}", self.name)
    }
}

impl Template {
    /// Parses a text. Functions that it calls must be in `functions`. Docker names its templates
    /// "".
    ///
    /// # Errors
    /// The text is no template, is too long or nested too deep.
    pub fn parse(name: &str, text: &str, functions: &Functions) -> Result<Template, ParseError> {
        let mut template = Template {
            name: name.to_owned(),
            bodies: BTreeMap::new(),
            functions: functions.clone(),
            missing_key: MissingKey::Default,
        };
        template.add(name, text)?;
        Ok(template)
    }

    /// Parses another text into the same set: its definitions replace earlier ones of the same
    /// name, and both texts can call each other's.
    ///
    /// # Errors
    /// As [`Template::parse`]; then nothing has changed.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), ParseError> {
        let defined = parse::parse(name, text, &self.functions)?;
        let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
        for (name, body) in defined {
            if parse::is_blank(&body) && self.bodies.contains_key(&name) {
                continue;
            }
            let definition = Definition { body, source: Arc::clone(&source) };
            self.bodies.insert(name, Arc::new(definition));
        }
        Ok(())
    }

    /// The same template with another meaning of missing keys.
    #[must_use]
    pub fn missing_key(mut self, missing_key: MissingKey) -> Template {
        self.missing_key = missing_key;
        self
    }

    /// Executes the template with `dot` as its dot, and returns what it printed.
    ///
    /// # Errors
    /// What Go reports at this place, or a limit of [`crate::limits`]; there is no output then.
    pub fn execute(&self, dot: &Value) -> Result<String, ExecError> {
        exec::execute(self, &self.name, dot)
    }

    /// As [`Template::execute`], beginning with the template that the set has under `name`.
    ///
    /// # Errors
    /// As [`Template::execute`], or there is no such template.
    pub fn execute_named(&self, name: &str, dot: &Value) -> Result<String, ExecError> {
        exec::execute(self, name, dot)
    }

    pub(crate) fn definition(&self, name: &str) -> Option<&Definition> {
        self.bodies.get(name).map(AsRef::as_ref)
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn missing(&self) -> MissingKey {
        self.missing_key
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
