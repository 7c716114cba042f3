//! The language of `printf`: verbs, flags, widths, explicit argument indexes.

use super::{Flags, Printer};
use crate::limits::{OUTPUT_BYTES_MAX, PRINTF_WIDTH_MAX};
use crate::value::Value;

/// The arguments as a format shows them. What does not fit is said in the text, as `%!d(string=x)`.
pub fn sprintf(format: &str, arguments: &[Value]) -> String {
    let mut formatter = Formatter {
        rest: format,
        arguments,
        next: 0,
        is_index_good: true,
        reordered: false,
        printer: Printer::default(),
    };
    while !formatter.rest.is_empty() && formatter.printer.out.len() <= OUTPUT_BYTES_MAX {
        formatter.piece();
    }
    formatter.extra_arguments();
    formatter.printer.out
}

struct Formatter<'a> {
    rest: &'a str,
    arguments: &'a [Value],
    /// Index of the argument that the next verb takes.
    next: usize,
    is_index_good: bool,
    /// Whether any explicit index was used; then unused arguments are no mistake.
    reordered: bool,
    printer: Printer,
}

impl Formatter<'_> {
    /// Text up to a `%`, and the verb after it.
    fn piece(&mut self) {
        let Some(length) = self.rest.find('%') else {
            self.printer.push(self.rest);
            self.rest = "";
            return;
        };
        self.printer.push(&self.rest[..length]);
        self.rest = &self.rest[length + 1..];
        self.is_index_good = true;
        self.printer.flags = Flags::default();
        self.flags();
        let mut after_index = self.index();
        self.width(&mut after_index);
        self.precision(&mut after_index);
        if !after_index {
            self.index();
        }
        self.verb();
        self.printer.flags = Flags::default();
    }

    fn flags(&mut self) {
        let flags = &mut self.printer.flags;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '#' => flags.sharp = true,
                '0' => flags.zero = true,
                '+' => flags.plus = true,
                '-' => flags.minus = true,
                ' ' => flags.space = true,
                _ => return,
            }
            self.rest = &self.rest[1..];
        }
    }

    fn width(&mut self, after_index: &mut bool) {
        if self.take('*') {
            match self.int_argument() {
                Some(n) => {
                    self.printer.flags.minus |= n < 0;
                    self.printer.flags.width = usize::try_from(n.unsigned_abs()).ok();
                }
                None => self.printer.push("%!(BADWIDTH)"),
            }
            *after_index = false;
            return;
        }
        self.printer.flags.width = self.number();
        if *after_index && self.printer.flags.width.is_some() {
            self.is_index_good = false;
        }
    }

    fn precision(&mut self, after_index: &mut bool) {
        if !self.take('.') {
            return;
        }
        if *after_index {
            self.is_index_good = false;
        }
        *after_index = self.index();
        if !self.take('*') {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
            return;
        }
        *after_index = false;
        let precision = self.int_argument().and_then(|n| usize::try_from(n).ok());
        self.printer.flags.precision = precision;
        if precision.is_none() {
            self.printer.push("%!(BADPREC)");
        }
    }

    fn verb(&mut self) {
        let Some(verb) = self.rest.chars().next() else {
            return self.printer.push("%!(NOVERB)");
        };
        self.rest = &self.rest[verb.len_utf8()..];
        if verb == '%' {
            return self.printer.push("%");
        }
        if !self.is_index_good {
            return self.printer.push(&format!("%!{verb}(BADINDEX)"));
        }
        let Some(argument) = self.arguments.get(self.next) else {
            return self.printer.push(&format!("%!{verb}(MISSING)"));
        };
        self.next += 1;
        if verb == 'v' {
            let flags = &mut self.printer.flags;
            flags.source = std::mem::take(&mut flags.sharp);
            flags.names = std::mem::take(&mut flags.plus);
        }
        self.printer.argument(argument, verb);
    }

    fn extra_arguments(&mut self) {
        let extra = self.arguments.get(self.next..).unwrap_or_default();
        if self.reordered || extra.is_empty() {
            return;
        }
        self.printer.push("%!(EXTRA ");
        for (i, argument) in extra.iter().enumerate() {
            if i > 0 {
                self.printer.push(", ");
            }
            if argument.is_invalid() {
                self.printer.push("<nil>");
            } else {
                self.printer.push(argument.type_name());
                self.printer.push("=");
                self.printer.argument(argument, 'v');
            }
        }
        self.printer.push(")");
    }

    /// An explicit index such as `[2]`, if one stands here. True if it is well formed.
    fn index(&mut self) -> bool {
        if !self.rest.starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']') else {
            self.rest = &self.rest[1..];
            self.is_index_good = false;
            return false;
        };
        let number = digits(&self.rest[1..end]);
        self.rest = &self.rest[end + 1..];
        match number.and_then(|n| n.checked_sub(1)) {
            Some(index) if index < self.arguments.len() => {
                self.next = index;
                true
            }
            _ => {
                self.is_index_good = false;
                number.is_some()
            }
        }
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A number in the format, if one stands here. One that is too large ends the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(length);
        let value = digits(number);
        self.rest = if value.is_none() && length > 0 { "" } else { rest };
        value
    }

    /// A width or precision that is an argument.
    fn int_argument(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        let n = match argument {
            Value::Int(n) => *n,
            Value::Uint(n) => i64::try_from(*n).ok()?,
            _ => return None,
        };
        (-PRINTF_WIDTH_MAX..=PRINTF_WIDTH_MAX).contains(&n).then_some(n)
    }
}

/// The value of decimal digits, of which Go reads one more than the largest width has.
fn digits(text: &str) -> Option<usize> {
    const MAX: i64 = 10 * PRINTF_WIDTH_MAX + 9;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = is_number.then(|| text.parse().ok()).flatten()?;
    usize::try_from(number).ok().filter(|_| number <= MAX)
}
