//! Random profiles and the calls worth trying on them. Everything follows from a seed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use seccomp::{Action, Arch, Comparison, LinuxSeccomp, Operator, ScmpArch, SyscallRule};

use crate::machine::Call;
use crate::naive;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What random profiles may contain.
pub struct Shape<'a> {
    pub native: Arch,
    pub siblings: bool,
    /// Names to choose from.
    pub names: &'a [&'a str],
    /// Whether values over 32 bits are used.
    pub wide: bool,
    /// Whether rules of one call may overlap with different actions.
    pub conflicts: bool,
}

pub const OPERATORS: [Operator; 7] = [
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Equal,
    Operator::GreaterOrEqual,
    Operator::Greater,
    Operator::MaskedEqual,
];

const NARROW: [u64; 10] =
    [0, 1, 2, 38, 40, 0x7e02_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const WIDE: [u64; 8] = [
    0x1_0000_0000,
    0x1_0000_0001,
    0x1_0000_0026,
    0x1_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// A profile that compiles.
pub fn profile(random: &mut Random, shape: &Shape) -> LinuxSeccomp {
    let (default_action, default_errno_ret) = action(random, false);
    let mut architectures: Vec<ScmpArch> = vec![shape.native.scmp()];
    if shape.siblings {
        architectures.extend(shape.native.siblings().iter().map(|arch| arch.scmp()));
    }
    let mut by_name = BTreeMap::new();
    let rules = 1 + random.below(40);
    let mut syscalls: Vec<_> = (0..rules).map(|_| rule(random, shape, &mut by_name)).collect();
    syscalls.retain(|rule| {
        rule.action != Action::Notify || rule.names.iter().all(|name| name != "write")
    });
    LinuxSeccomp {
        default_action,
        default_errno_ret,
        architectures,
        flags: None,
        listener_path: Some("/run/listener".into()),
        listener_metadata: None,
        syscalls,
    }
}

type Outcome = (Action, Option<u32>);

fn rule(
    random: &mut Random,
    shape: &Shape,
    by_name: &mut BTreeMap<String, Outcome>,
) -> SyscallRule {
    let outcome = action(random, true);
    if random.one_in(2) {
        // libseccomp refuses some pairs of rules for one call and sorts others by accident.
        let name = *random.pick(shape.names);
        let (action, errno_ret) = match by_name.get(name) {
            Some(&earlier) if !shape.conflicts => earlier,
            _ => outcome,
        };
        by_name.insert(name.into(), (action, errno_ret));
        let args = (0..1 + random.below(3)).map(|_| comparison(random, shape)).collect();
        return SyscallRule { names: vec![Cow::Owned(name.into())], action, errno_ret, args };
    }
    let count = 1 + random.below(60);
    let mut names: Vec<&str> = (0..count).map(|_| *random.pick(shape.names)).collect();
    if !shape.conflicts {
        // Behind `socketcall`, unconditional rules are conditional, too.
        let doors = names.iter().filter(|name| naive::door(name).is_some());
        let fresh: Vec<&str> = doors.copied().filter(|name| !by_name.contains_key(*name)).collect();
        by_name.extend(fresh.into_iter().map(|name| (name.to_owned(), outcome)));
        let agrees = |name: &str| by_name.get(name).is_none_or(|earlier| *earlier == outcome);
        names.retain(|name| naive::door(name).is_none() || agrees(name));
        names.push("getpid");
    }
    let names = names.into_iter().map(|name| Cow::Owned(name.to_owned())).collect();
    SyscallRule { names, action: outcome.0, errno_ret: outcome.1, args: Vec::new() }
}

fn action(random: &mut Random, notify: bool) -> Outcome {
    match random.below(if notify { 12 } else { 11 }) {
        0..=2 => (Action::Allow, None),
        3 => (Action::Errno, None),
        4 => (Action::Errno, Some(38)),
        5 => (Action::Errno, Some(random.below(4096) as u32)),
        6 => (Action::KillThread, None),
        7 => (Action::KillProcess, None),
        8 => (Action::Trap, None),
        9 => (Action::Trace, Some(random.below(65536) as u32)),
        10 => (Action::Log, None),
        _ => (Action::Notify, None),
    }
}

fn comparison(random: &mut Random, shape: &Shape) -> Comparison {
    let value = |random: &mut Random| match random.below(if shape.wide { 4 } else { 2 }) {
        0 | 1 if random.one_in(3) => random.next() & 0xffff_ffff,
        0 | 1 => *random.pick(&NARROW),
        2 => *random.pick(&WIDE),
        _ => random.next(),
    };
    Comparison {
        index: random.below(6) as u32,
        value: value(random),
        value_two: value(random),
        op: *random.pick(&OPERATORS),
    }
}

/// Numbers on which filters may differ: all that exist, what is beyond them, the corners.
pub fn all_numbers(arch: Arch) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..1024).collect();
    match arch {
        Arch::X86_64 | Arch::X32 => {
            numbers.extend(0x4000_0000..0x4000_0400);
            numbers.extend([0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]);
        }
        Arch::Arm => numbers.extend(0xeffff..0xf0010),
        _ => numbers.extend([0x4000_0000, 0xffff_ffff]),
    }
    numbers
}

/// A profile's rules with comparisons, by the calls they are for.
pub struct Edges<'a> {
    rules: HashMap<(u32, u32), Vec<&'a SyscallRule>>,
}

impl<'a> Edges<'a> {
    pub fn new(profile: &'a LinuxSeccomp) -> Edges<'a> {
        let mut rules: HashMap<_, Vec<_>> = HashMap::new();
        for rule in profile.syscalls.iter().filter(|rule| !rule.args.is_empty()) {
            for (name, arch) in
                rule.names.iter().flat_map(|name| Arch::ALL.map(|arch| (name, arch)))
            {
                if let Some(nr) = seccomp::number(arch, name) {
                    rules.entry((arch.audit_token(), nr)).or_default().push(rule);
                }
            }
        }
        Edges { rules }
    }

    /// Rules that look at the call's arguments.
    pub fn rules(&self, call: &Call) -> &[&'a SyscallRule] {
        self.rules.get(&(call.token, call.nr)).map_or(&[], Vec::as_slice)
    }

    /// Argument lists at the edges of the rules for a call.
    pub fn argument_lists(&self, random: &mut Random, call: &Call) -> Vec<[u64; 6]> {
        let mut lists = vec![[0; 6], [u64::MAX; 6]];
        let mut values: [Vec<u64>; 6] = Default::default();
        for arg in self.rules(call).iter().flat_map(|rule| &rule.args) {
            values[arg.index as usize].extend(edges(arg));
        }
        if values.iter().all(Vec::is_empty) {
            return lists;
        }
        for (index, edges) in values.iter().enumerate() {
            for &edge in edges {
                let mut list = [0; 6];
                list[index] = edge;
                lists.push(list);
            }
        }
        for _ in 0..40 {
            let one = |values: &Vec<u64>| match values.len() {
                0 => 0,
                _ => *random.pick(values),
            };
            let mut list = [0; 6];
            let picked: Vec<u64> = values.iter().map(one).collect();
            list.copy_from_slice(&picked);
            lists.push(list);
        }
        lists
    }
}

fn edges(arg: &Comparison) -> Vec<u64> {
    let value = arg.value;
    let mut edges = vec![value, value.wrapping_add(1), value.wrapping_sub(1)];
    edges.extend([value ^ 1 << 32, value ^ 1 << 63, value & 0xffff_ffff, value | 0xffff << 32]);
    if arg.op == Operator::MaskedEqual {
        let two = arg.value_two;
        edges.extend([
            two,
            two & value,
            two | !value,
            (two & value) ^ (value & value.wrapping_neg()),
        ]);
    }
    edges
}
