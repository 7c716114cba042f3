//! Evaluating pipelines, commands, fields and calls.

use std::sync::Arc;

use super::{BYTES_PER_STEP, Dot, ExecError, Place, Run, Variable};
use crate::ast::{Command, Number, Operand, OperandKind, Pipe};
use crate::format::quote;
use crate::functions::{Call, Param};
use crate::limits::OUTPUT_BYTES_MAX;
use crate::template::MissingKey;
use crate::value::{NilKind, Object, Value};

/// What a command is given besides its own operands: the value of the command before it.
type Final<'a> = Option<&'a Value>;

const MISSING: Value = Value::Nil(NilKind::Missing);

impl<'t> Run<'t> {
    /// The value of a pipeline. An untyped nil comes out as no value, as it does in Go.
    pub(super) fn pipeline(&mut self, dot: &Dot, pipe: &'t Pipe) -> Result<Value, ExecError> {
        self.descend()?;
        self.place = Some(Place::Pipe(pipe));
        let mut value = None;
        for command in &pipe.commands {
            self.spend(1)?;
            let result = self.command(dot, command, value.as_ref())?;
            value = Some(if result.is_invalid() { MISSING } else { result });
        }
        let value = value.unwrap_or(MISSING);
        for name in &pipe.variables {
            if pipe.is_assignment {
                self.assign(name, Dot::typed(value.clone()))?;
            } else {
                self.variables.push(Variable { name, held: Dot::typed(value.clone()) });
            }
        }
        self.depth -= 1;
        Ok(value)
    }

    fn command(
        &mut self,
        dot: &Dot,
        command: &'t Command,
        last: Final<'_>,
    ) -> Result<Value, ExecError> {
        let Some((first, arguments)) = command.operands.split_first() else {
            return Ok(MISSING);
        };
        match &first.kind {
            OperandKind::Field(_) | OperandKind::Chain(..) => {
                self.fields(dot, first, arguments, last)
            }
            OperandKind::Variable(_, names) if !names.is_empty() => {
                self.fields(dot, first, arguments, last)
            }
            OperandKind::Function(name) => {
                self.place = Some(Place::Operand(first));
                self.function(dot, name, Place::Command(command), arguments, last)
            }
            kind => {
                if !matches!(kind, OperandKind::Pipe(_)) {
                    self.place = Some(Place::Operand(first));
                }
                if !arguments.is_empty() || last.is_some() {
                    return self.fail(format!("can't give argument to non-function {first}"));
                }
                if matches!(kind, OperandKind::Nil) {
                    return self.fail("nil is not a command");
                }
                self.operand(dot, first)
            }
        }
    }

    /// An operand by itself, as an argument.
    fn operand(&mut self, dot: &Dot, operand: &'t Operand) -> Result<Value, ExecError> {
        if !matches!(operand.kind, OperandKind::Pipe(_)) {
            self.place = Some(Place::Operand(operand));
        }
        match &operand.kind {
            OperandKind::Dot => Ok(dot.value.clone()),
            OperandKind::Nil => Ok(MISSING),
            OperandKind::Bool(b) => Ok(Value::Bool(*b)),
            OperandKind::Number { text, number } => match number {
                Number::Int(n) => Ok(Value::Int(*n)),
                Number::Float(n) => Ok(Value::Float(*n)),
                Number::Overflow => self.fail(format!("{text} overflows int")),
            },
            OperandKind::String { text, .. } => Ok(Value::from(text.as_str())),
            OperandKind::Variable(name, names) if names.is_empty() => {
                Ok(self.variable(name)?.value)
            }
            OperandKind::Field(_) | OperandKind::Variable(..) | OperandKind::Chain(..) => {
                self.fields(dot, operand, &[], None)
            }
            OperandKind::Function(name) => {
                self.function(dot, name, Place::Operand(operand), &[], None)
            }
            OperandKind::Pipe(pipe) => self.pipeline(dot, pipe),
        }
    }

    fn variable(&self, name: &str) -> Result<Dot, ExecError> {
        match self.variables.iter().rev().find(|variable| variable.name == name) {
            Some(variable) => Ok(variable.held.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    /// A chain of fields, of which the last may be a method that takes the arguments.
    fn fields(
        &mut self,
        dot: &Dot,
        operand: &'t Operand,
        arguments: &'t [Operand],
        last: Final<'_>,
    ) -> Result<Value, ExecError> {
        self.place = Some(Place::Operand(operand));
        let (mut receiver, names) = match &operand.kind {
            OperandKind::Field(names) => (dot.clone(), names),
            OperandKind::Variable(name, names) => (self.variable(name)?, names),
            OperandKind::Chain(start, names) => (Dot::typed(self.operand(dot, start)?), names),
            _ => return Ok(MISSING),
        };
        let Some((method, through)) = names.split_last() else { return Ok(receiver.value) };
        for name in through {
            receiver = self.field(dot, &receiver, name, &[], None)?;
        }
        Ok(self.field(dot, &receiver, method, arguments, last)?.value)
    }

    fn field(
        &mut self,
        dot: &Dot,
        receiver: &Dot,
        name: &str,
        arguments: &'t [Operand],
        last: Final<'_>,
    ) -> Result<Dot, ExecError> {
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver.value {
            Value::Nil(NilKind::Missing) => match self.template.missing() {
                MissingKey::Error => {
                    self.fail(format!("nil data; no entry for key {}", quote(name)))
                }
                _ => Ok(Dot::typed(MISSING)),
            },
            Value::Null => self.fail(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Nil(NilKind::Pointer(pointee)) => {
                self.fail(format!("nil pointer evaluating {pointee}.{name}"))
            }
            Value::Map(_) | Value::Nil(NilKind::Map) if has_arguments => {
                self.fail(format!("{name} is not a method but has arguments"))
            }
            Value::Map(map) => {
                let value = match map.lookup(name) {
                    Some(value) => value.clone(),
                    None => self.missing_key(name, map.zero())?,
                };
                Ok(Dot { value, is_untyped: map.is_untyped() })
            }
            Value::Nil(NilKind::Map) => {
                Ok(Dot { value: self.missing_key(name, &Value::Null)?, is_untyped: true })
            }
            Value::Struct(object) => {
                let object = Arc::clone(object);
                let value = self.member(dot, object.as_ref(), name, arguments, last)?;
                Ok(Dot::typed(value))
            }
            other => {
                let name_of = if receiver.is_untyped { "interface {}" } else { other.type_name() };
                self.fail(format!("can't evaluate field {name} in type {name_of}"))
            }
        }
    }

    fn missing_key(&self, key: &str, zero: &Value) -> Result<Value, ExecError> {
        match self.template.missing() {
            MissingKey::Default => Ok(MISSING),
            MissingKey::Zero => Ok(zero.clone()),
            MissingKey::Error => self.fail(format!("map has no entry for key {}", quote(key))),
        }
    }

    /// A field or method of a struct.
    fn member(
        &mut self,
        dot: &Dot,
        object: &dyn Object,
        name: &str,
        arguments: &'t [Operand],
        last: Final<'_>,
    ) -> Result<Value, ExecError> {
        let place = self.place;
        let has_arguments = !arguments.is_empty() || last.is_some();
        match object.field(name) {
            Some(value) if !has_arguments => return Ok(value),
            Some(_) => {
                return self
                    .fail(format!("{name} has arguments but cannot be invoked as function"));
            }
            None => {}
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            values.push(self.operand(dot, argument)?);
        }
        values.extend(last.cloned());
        self.place = place;
        match object.call(name, &values) {
            Some(Ok(value)) => self.made(value),
            Some(Err(error)) => self.fail(format!("error calling {name}: {error}")),
            None => {
                let name_of = object.type_name();
                self.fail(format!("can't evaluate field {name} in type {name_of}"))
            }
        }
    }

    /// Calls a function; the place of the operand that names it is set already, `call` is the
    /// whole.
    fn function(
        &mut self,
        dot: &Dot,
        name: &str,
        call: Place<'t>,
        arguments: &'t [Operand],
        last: Final<'_>,
    ) -> Result<Value, ExecError> {
        let template = self.template;
        let Some(function) = template.functions().lookup(name) else {
            return self.fail(format!("{} is not a defined function", quote(name)));
        };
        let given = arguments.len() + usize::from(last.is_some());
        if let Err(reason) = function.signature.check(name, given, arguments.len()) {
            return self.fail(reason);
        }
        let body = match &function.call {
            Call::And => return self.short_circuit(dot, arguments, last, false),
            Call::Or => return self.short_circuit(dot, arguments, last, true),
            Call::Plain(body) => Some(body),
            Call::Indirect => None,
        };
        let mut values = Vec::with_capacity(given);
        for (i, argument) in arguments.iter().enumerate() {
            values.push(self.argument(dot, argument, function.signature.param(i))?);
        }
        if let Some(last) = last {
            self.check_type(last, function.signature.param(arguments.len()))?;
            values.push(last.clone());
        }
        let Some(body) = body else { return self.call_value(call, arguments, &values) };
        match body(&values) {
            Ok(value) => self.made(value),
            Err(error) => {
                self.place = Some(call);
                self.fail(format!("error calling {name}: {error}"))
            }
        }
    }

    /// `and` and `or`: operands after the one that decides are not evaluated.
    fn short_circuit(
        &mut self,
        dot: &Dot,
        arguments: &'t [Operand],
        last: Final<'_>,
        decisive: bool,
    ) -> Result<Value, ExecError> {
        let mut value = MISSING;
        for argument in arguments {
            value = self.argument(dot, argument, Param::Any)?;
            if value.truth() == decisive {
                return Ok(value);
            }
        }
        Ok(last.cloned().unwrap_or(value))
    }

    /// `call`: no value here is a function, but Go's errors say which.
    fn call_value(
        &mut self,
        call: Place<'t>,
        arguments: &'t [Operand],
        values: &[Value],
    ) -> Result<Value, ExecError> {
        self.place = Some(call);
        match values.first() {
            Some(value) if !value.is_invalid() => {
                let name = arguments.first().map(ToString::to_string).unwrap_or_default();
                let name_of = value.type_name();
                self.fail(format!("error calling call: non-function {name} of type {name_of}"))
            }
            _ => self.fail("error calling call: call of nil"),
        }
    }

    fn argument(
        &mut self,
        dot: &Dot,
        operand: &'t Operand,
        param: Param,
    ) -> Result<Value, ExecError> {
        self.place = Some(Place::Operand(operand));
        let Some(expected) = param.go_type() else { return self.operand(dot, operand) };
        match &operand.kind {
            OperandKind::Nil if param == Param::List => Ok(Value::Nil(NilKind::List)),
            OperandKind::Nil => self.fail(format!("cannot assign nil to {expected}")),
            OperandKind::Bool(_) | OperandKind::Number { .. } | OperandKind::String { .. } => {
                let value = match self.operand(dot, operand)? {
                    // A number that is written as a float serves as an integer if it is one.
                    Value::Float(n) if param == Param::Int => Value::from_float(n),
                    value => value,
                };
                if param.accepts(&value) {
                    return Ok(value);
                }
                match param.literal() {
                    Some(literal) => self.fail(format!("expected {literal}; found {operand}")),
                    None => self.fail(format!("can't handle {operand} for arg of type {expected}")),
                }
            }
            _ => {
                let value = self.operand(dot, operand)?;
                self.check_type(&value, param)?;
                Ok(value)
            }
        }
    }

    /// Whether a function takes this value.
    fn check_type(&self, value: &Value, param: Param) -> Result<(), ExecError> {
        let Some(expected) = param.go_type() else { return Ok(()) };
        if param.accepts(value) {
            return Ok(());
        }
        let name_of = match value {
            Value::Nil(NilKind::Missing) => {
                return self.fail(format!("invalid value; expected {expected}"));
            }
            Value::Null => "interface {}",
            other => other.type_name(),
        };
        self.fail(format!("wrong type for value; expected {expected}; got {name_of}"))
    }

    /// Counts what a function has made, so that doubling a text cannot fill the memory.
    fn made(&mut self, value: Value) -> Result<Value, ExecError> {
        let bytes = match &value {
            Value::String(text) => text.len(),
            Value::List(items) => items.len() * size_of::<Value>(),
            _ => 0,
        };
        if bytes > OUTPUT_BYTES_MAX {
            return Err(ExecError::OutputTooLong { name: self.name.to_owned() });
        }
        self.spend(bytes as u64 / BYTES_PER_STEP)?;
        Ok(value)
    }
}
