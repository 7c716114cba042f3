//! Regular expressions of name filters: the part of Go's syntax that names need, matched in time
//! proportional to pattern times text, so that no client can make the engine think for long.
//!
//! Known: literals, `.`, classes with ranges, `\d \w \s` and their complements, groups, `|`,
//! `* + ? {n,m}` (lazy forms too), `^ $`. What is not known makes the pattern malformed.

use std::iter::Peekable;
use std::str::Chars;

/// Steps of a compiled pattern; counted repetitions multiply them.
const STEPS_MAX: usize = 2000;
/// Nesting of groups.
const DEPTH_MAX: usize = 32;
/// Largest count in `{n,m}`.
const REPEAT_MAX: usize = 200;

/// A compiled pattern.
pub(super) struct Pattern {
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Char(Set),
    Start,
    End,
    /// Go on at both.
    Split(usize, usize),
    Jump(usize),
    Done,
}

#[derive(Clone, Default)]
struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Set {
    fn one(c: char) -> Set {
        Set { negated: false, ranges: vec![(c, c)] }
    }

    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| *low <= c && c <= *high) != self.negated
    }
}

enum Node {
    Empty,
    Char(Set),
    Start,
    End,
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat { inner: Box<Node>, min: usize, max: Option<usize> },
}

impl Pattern {
    /// Compiles; `None` when it is malformed or too large.
    pub(super) fn new(text: &str) -> Option<Pattern> {
        let mut parser = Parser { chars: text.chars().peekable(), depth: 0 };
        let node = parser.either()?;
        if parser.chars.next().is_some() {
            return None;
        }
        let mut steps = Vec::new();
        emit(&node, &mut steps)?;
        steps.push(Step::Done);
        Some(Pattern { steps })
    }

    /// Whether it is found anywhere in `text`.
    pub(super) fn is_found(&self, text: &str) -> bool {
        let mut active = Vec::new();
        let mut chars = text.chars().peekable();
        let mut at_start = true;
        loop {
            let at_end = chars.peek().is_none();
            active.push(0);
            let reached = self.closure(&active, at_start, at_end);
            if reached.iter().any(|at| matches!(self.steps.get(*at), Some(Step::Done))) {
                return true;
            }
            let Some(c) = chars.next() else { return false };
            at_start = false;
            active = reached
                .into_iter()
                .filter(|at| matches!(self.steps.get(*at), Some(Step::Char(set)) if set.has(c)))
                .map(|at| at + 1)
                .collect();
        }
    }

    /// All steps that can be reached without reading.
    fn closure(&self, from: &[usize], at_start: bool, at_end: bool) -> Vec<usize> {
        let mut seen = vec![false; self.steps.len()];
        let mut open = from.to_vec();
        let mut reached = Vec::new();
        while let Some(at) = open.pop() {
            match seen.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            match self.steps.get(at) {
                Some(Step::Split(one, other)) => open.extend([*one, *other]),
                Some(Step::Jump(to)) => open.push(*to),
                Some(Step::Start) if at_start => open.push(at + 1),
                Some(Step::End) if at_end => open.push(at + 1),
                Some(Step::Char(_) | Step::Done) => reached.push(at),
                _ => {}
            }
        }
        reached
    }
}

/// Appends the steps of a node. Depth is limited by the parser.
fn emit(node: &Node, steps: &mut Vec<Step>) -> Option<()> {
    if steps.len() > STEPS_MAX {
        return None;
    }
    match node {
        // Nothing, but counted: repetitions of nothing must come to an end too.
        Node::Empty => steps.push(Step::Jump(steps.len() + 1)),
        Node::Char(set) => steps.push(Step::Char(set.clone())),
        Node::Start => steps.push(Step::Start),
        Node::End => steps.push(Step::End),
        Node::Sequence(nodes) => nodes.iter().try_for_each(|node| emit(node, steps))?,
        Node::Either(nodes) => emit_either(nodes, steps)?,
        Node::Repeat { inner, min, max } => emit_repeat(inner, *min, *max, steps)?,
    }
    Some(())
}

fn emit_either(nodes: &[Node], steps: &mut Vec<Step>) -> Option<()> {
    let (last, rest) = nodes.split_last()?;
    let mut ends = Vec::new();
    for node in rest {
        let split = push(steps, Step::Jump(0));
        emit(node, steps)?;
        ends.push(push(steps, Step::Jump(0)));
        branch(steps, split);
    }
    emit(last, steps)?;
    let after = steps.len();
    for end in ends {
        set(steps, end, Step::Jump(after));
    }
    Some(())
}

fn emit_repeat(inner: &Node, min: usize, max: Option<usize>, steps: &mut Vec<Step>) -> Option<()> {
    emit(&Node::Empty, steps)?;
    for _ in 0..min {
        emit(inner, steps)?;
    }
    let Some(max) = max else {
        let split = push(steps, Step::Jump(0));
        emit(inner, steps)?;
        steps.push(Step::Jump(split));
        branch(steps, split);
        return Some(());
    };
    let mut splits = Vec::new();
    for _ in min..max {
        splits.push(push(steps, Step::Jump(0)));
        emit(inner, steps)?;
    }
    for split in splits {
        branch(steps, split);
    }
    Some(())
}

/// Makes the step at `at` go on at its successor and after the last step.
fn branch(steps: &mut [Step], at: usize) {
    let after = steps.len();
    set(steps, at, Step::Split(at + 1, after));
}

fn push(steps: &mut Vec<Step>, step: Step) -> usize {
    steps.push(step);
    steps.len() - 1
}

fn set(steps: &mut [Step], at: usize, step: Step) {
    if let Some(slot) = steps.get_mut(at) {
        *slot = step;
    }
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Option<Node> {
        let mut branches = vec![self.sequence()?];
        while self.chars.next_if_eq(&'|').is_some() {
            branches.push(self.sequence()?);
        }
        match branches.len() {
            1 => branches.pop(),
            _ => Some(Node::Either(branches)),
        }
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut nodes = Vec::new();
        while self.chars.peek().is_some_and(|c| !matches!(c, '|' | ')')) {
            let atom = self.atom()?;
            nodes.push(self.repeated(atom)?);
        }
        match nodes.is_empty() {
            true => Some(Node::Empty),
            false => Some(Node::Sequence(nodes)),
        }
    }

    fn atom(&mut self) -> Option<Node> {
        Some(match self.chars.next()? {
            '.' => Node::Char(Set { negated: true, ranges: vec![('\n', '\n')] }),
            '^' => Node::Start,
            '$' => Node::End,
            '[' => Node::Char(self.class()?),
            '(' => self.group()?,
            '\\' => match self.chars.next()? {
                'A' => Node::Start,
                'z' => Node::End,
                c => Node::Char(escape(c)?),
            },
            '*' | '+' | '?' => return None,
            c => Node::Char(Set::one(c)),
        })
    }

    fn group(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        if self.chars.next_if_eq(&'?').is_some() {
            self.chars.next_if_eq(&':')?;
        }
        let inner = self.either()?;
        self.chars.next_if_eq(&')')?;
        self.depth -= 1;
        Some(inner)
    }

    fn repeated(&mut self, atom: Node) -> Option<Node> {
        let (min, max) = match self.chars.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let counts = self.counts();
                return match counts {
                    Some((rest, min, max)) => {
                        self.chars = rest;
                        self.chars.next_if_eq(&'?');
                        Some(Node::Repeat { inner: Box::new(atom), min, max })
                    }
                    // Go takes a brace that begins no count literally.
                    None => Some(atom),
                };
            }
            _ => return Some(atom),
        };
        self.chars.next();
        self.chars.next_if_eq(&'?');
        if matches!(self.chars.peek(), Some('*' | '+' | '?')) {
            return None;
        }
        Some(Node::Repeat { inner: Box::new(atom), min, max })
    }

    fn counts(&self) -> Option<(Peekable<Chars<'a>>, usize, Option<usize>)> {
        let mut chars = self.chars.clone();
        chars.next_if_eq(&'{')?;
        let min = number(&mut chars)?;
        let max = match chars.next_if_eq(&',') {
            None => Some(min),
            Some(_) if chars.peek() == Some(&'}') => None,
            Some(_) => Some(number(&mut chars)?),
        };
        chars.next_if_eq(&'}')?;
        let fits = min <= REPEAT_MAX && max.is_none_or(|max| min <= max && max <= REPEAT_MAX);
        fits.then_some((chars, min, max))
    }

    fn class(&mut self) -> Option<Set> {
        let negated = self.chars.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        loop {
            let low = match self.chars.next()? {
                ']' if !ranges.is_empty() => return Some(Set { negated, ranges }),
                '\\' => {
                    let set = escape(self.chars.next()?)?;
                    match (set.negated, set.ranges.as_slice()) {
                        (false, [(low, high)]) if low == high => *low,
                        (false, many) => {
                            ranges.extend_from_slice(many);
                            continue;
                        }
                        (true, _) => return None,
                    }
                }
                c => c,
            };
            ranges.push((low, self.range_end(low)?));
        }
    }

    fn range_end(&mut self, low: char) -> Option<char> {
        let mut ahead = self.chars.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), Some(']') | None) {
            return Some(low);
        }
        self.chars.next();
        let high = match self.chars.next()? {
            '\\' => self.chars.next()?,
            c => c,
        };
        (low <= high).then_some(high)
    }
}

fn number(chars: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

fn escape(c: char) -> Option<Set> {
    let word = vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
    let space = vec![('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
    let (negated, ranges) = match c {
        'd' | 'D' => (c == 'D', vec![('0', '9')]),
        'w' | 'W' => (c == 'W', word),
        's' | 'S' => (c == 'S', space),
        't' => (false, vec![('\t', '\t')]),
        'n' => (false, vec![('\n', '\n')]),
        c if c.is_ascii_alphanumeric() => return None,
        c => (false, vec![(c, c)]),
    };
    Some(Set { negated, ranges })
}
