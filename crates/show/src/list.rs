//! Lists by `--format`: a table with headings, JSON lines, or a template for each row.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{CallError, Functions, Object, Record, Template, Value};

use super::table::{LIST_WIDTH_MIN, align};

/// A format cannot be shown.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ShowError {
    /// The template is none; Docker's exit code is 64, except in lists.
    #[error("template parsing error: {0}")]
    Template(String),
    /// It does not fit a value.
    #[error("template parsing error: {0}")]
    Row(String),
}

/// One kind of list.
pub struct Shape {
    /// The template of the plain table.
    pub table: &'static str,
    /// Field names and their headings.
    pub headings: &'static [(&'static str, &'static str)],
}

/// One row; fields in the order in which JSON shows them.
#[derive(Debug)]
pub struct Row {
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
    labels: BTreeMap<String, String>,
    /// Where JSON shows something else.
    json: Vec<(&'static str, String)>,
}

impl Row {
    /// A row whose `.Label "key"` reads `labels`. `type_name` is named by errors.
    pub fn new(
        type_name: &'static str,
        labels: BTreeMap<String, String>,
        fields: Vec<(&'static str, Value)>,
    ) -> Row {
        Row { type_name, fields, labels, json: Vec::new() }
    }

    /// The same, with another text for a field in JSON.
    pub fn with_json(mut self, name: &'static str, text: String) -> Row {
        self.json.push((name, text));
        self
    }

    /// The same with another value of a field that it has.
    pub fn with(mut self, name: &str, value: Value) -> Row {
        self.fields.iter_mut().filter(|(field, _)| *field == name).for_each(|(_, old)| {
            *old = value.clone();
        });
        self
    }
}

impl Object for Row {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone())
    }

    fn fields(&self) -> Vec<(String, Value)> {
        self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// As Go writes it inside of other JSON: what HTML could mistake for a tag is escaped.
    fn json(&self) -> Option<String> {
        let members = self.fields.iter().map(|(name, value)| {
            let own = self.json.iter().find(|(field, _)| field == name);
            let value = match (own, value) {
                (Some((_, text)), _) => serde_json::Value::from(text.as_str()),
                (None, Value::String(text)) => serde_json::Value::from(&**text),
                (None, _) => serde_json::Value::Null,
            };
            format!("\"{name}\":{value}")
        });
        let json = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        Some(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
        match (name, args) {
            ("Label", [Value::String(key)]) => {
                let value = self.labels.get(&**key).map_or("", String::as_str);
                Some(Ok(Value::from(value)))
            }
            _ => None,
        }
    }
}

/// The template that a `--format` means, and whether it makes a table.
pub fn resolve(format: &str, table: &str, quiet: bool) -> (String, bool) {
    let (text, is_table) = match format {
        "" | "table" if quiet => ("{{.ID}}", false),
        "" | "table" => (table, true),
        "json" => ("{{json .}}", false),
        _ => match format.strip_prefix("table") {
            Some(template) => (template.trim(), true),
            None => (format, false),
        },
    };
    (text.replace("\\t", "\t").replace("\\n", "\n"), is_table)
}

/// The text of a list.
pub fn render(
    shape: &Shape,
    format: &str,
    quiet: bool,
    rows: Vec<Row>,
) -> Result<String, ShowError> {
    let (text, is_table) = resolve(format, shape.table, quiet);
    let template = parse("", &text).map_err(|error| {
        ShowError::Row(match error {
            ShowError::Template(text) | ShowError::Row(text) => text,
        })
    })?;
    let mut out = String::new();
    if is_table {
        let mut heading = Record::new("formatter.SubHeaderContext");
        for (field, title) in shape.headings {
            heading = heading.with(*field, *title);
        }
        out.push_str(&execute(&template, &heading.into())?);
        out.push('\n');
    }
    for row in rows {
        out.push_str(&execute(&template, &Value::Struct(Arc::new(row)))?);
        out.push('\n');
    }
    Ok(if is_table { align(&out, LIST_WIDTH_MIN) } else { out })
}

/// Parses a template; Docker's exit code for a bad one is 64, except in lists.
pub fn parse(name: &str, text: &str) -> Result<Template, ShowError> {
    Template::parse(name, text, &Functions::docker())
        .map_err(|error| ShowError::Template(error.to_string()))
}

/// Executes a template on one value.
pub fn execute(template: &Template, value: &Value) -> Result<String, ShowError> {
    template.execute(value).map_err(|error| ShowError::Row(error.to_string()))
}

#[cfg(test)]
mod tests;
