//! From arguments to a verb.

use crate::failure::{Failure, Outcome};
use crate::flags::parse::{Parsed, check_args, parse, usage_error};
use crate::flags::verbs::{self, EVERYWHERE, GLOBAL, GROUPS};
use crate::flags::{Action, Args, Section, Verb, complete, help, man};
use crate::host;
use crate::{engine, lifecycle, verbs as client_verbs};

/// The program itself, for the flags before the verb.
const PROGRAM: Verb = Verb {
    action: Action::Version,
    top: None,
    group: None,
    usage: "[OPTIONS] COMMAND [ARG...]",
    about: "",
    args: Args::AtLeast(0),
    interspersed: false,
    flags: &[GLOBAL],
    section: Section::Hidden,
};
static PROGRAM_VERB: Verb = PROGRAM;

/// What Docker's command line has and this one has not, and what to do instead.
const ABSENT: [(&str, &str); 17] = [
    ("build", "build with another program, then `wharf load` or `wharf pull` the image"),
    ("builder", "there are no builds yet, so that there is no cache of them"),
    ("buildx", "build with another program, then `wharf load` or `wharf pull` the image"),
    ("checkpoint", "`wharf pause` stops a container for a while, `wharf commit` keeps its files"),
    (
        "compose",
        "`docker compose` reaches this engine, but most files want networks, which come later",
    ),
    ("config", "past one machine Wharf hands over to Kubernetes"),
    ("context", "name the engine by --host, WHARF_HOST or DOCKER_HOST"),
    ("manifest", "`docker manifest` makes lists for several platforms, and needs no engine for it"),
    ("network", "there are `none`, `host` and `container:ID`, by `wharf run --network`"),
    ("node", "past one machine Wharf hands over to Kubernetes"),
    ("plugin", "Wharf has no plugins"),
    ("secret", "bind a file, read-only, by `wharf run -v`"),
    ("service", "past one machine Wharf hands over to Kubernetes"),
    ("stack", "past one machine Wharf hands over to Kubernetes"),
    ("swarm", "past one machine Wharf hands over to Kubernetes"),
    ("trust", "name images by digest to get what you know"),
    ("volume", "bind a directory by `wharf run -v /DIRECTORY:/PATH`"),
];

/// Exit code for a flag that is wrong.
const USAGE: i32 = 125;

/// Runs the command line; `words` stand behind the program's name.
pub fn main(words: Vec<String>) -> i32 {
    leave_when_nobody_reads();
    match run(words) {
        Ok(code) => code,
        Err(failure) => {
            if !failure.text.is_empty() {
                // Engines repeat what strangers said: nothing that steers a terminal.
                let steers = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
                let text: String = failure.text.chars().filter(|c| !steers(c)).collect();
                eprintln!("{text}");
            }
            failure.code
        }
    }
}

/// A reader that has seen enough (`wharf ps | head -n 1`) ends this program without a word, as
/// SIGPIPE would; the library's printing panics instead.
fn leave_when_nobody_reads() {
    const BY_SIGPIPE: i32 = 128 + 13;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to std") && text.contains("Broken pipe") {
            std::process::exit(BY_SIGPIPE);
        }
        report(panic);
    }));
}

fn run(words: Vec<String>) -> Outcome {
    let global = parse(&PROGRAM_VERB, String::new(), &[], words)
        .map_err(|why| Failure::with_code(USAGE, usage_error(&PROGRAM_VERB, "", &why)))?;
    notify(&global);
    if global.help || global.args.is_empty() && !global.switch("version") {
        print!("{}", help::of_program());
        return Ok(0);
    }
    if global.switch("version") {
        println!("Wharf version {}", env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    let level = global.text("log-level");
    if !matches!(level, "debug" | "info" | "warn" | "error" | "fatal" | "panic" | "trace") {
        return Err(Failure::new(format!("Unable to parse logging level: {level}")));
    }
    let mut words = global.args.iter().cloned();
    let first = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    if first == "help" {
        return show_help(&rest);
    }
    let (verb, path, rest) = match find(&first, rest)? {
        Found::Verb(verb, path, rest) => (verb, path, rest),
        Found::Shown => return Ok(0),
    };
    let parsed = parse(verb, path.clone(), EVERYWHERE, rest)
        .map_err(|why| Failure::with_code(USAGE, usage_error(verb, &path, &why)))?;
    notify(&parsed);
    if parsed.help {
        print!("{}", help::of_verb(verb, &path));
        return Ok(0);
    }
    check_args(&parsed).map_err(Failure::new)?;
    dispatch(&global, &parsed)
}

fn notify(parsed: &Parsed) {
    for notice in &parsed.notices {
        eprintln!("{notice}");
    }
}

fn show_help(words: &[String]) -> Outcome {
    let text = help::of_words(words);
    let text =
        text.ok_or_else(|| Failure::new(format!("unknown help topic: {}", words.join(" "))))?;
    print!("{text}");
    Ok(0)
}

enum Found {
    Verb(&'static Verb, String, Vec<String>),
    /// Its help was shown; there is nothing to run.
    Shown,
}

fn find(first: &str, mut rest: Vec<String>) -> Result<Found, Failure> {
    if let Some(verb) = verbs::by_name(first) {
        return Ok(Found::Verb(verb, first.to_owned(), rest));
    }
    if let Some((_, advice)) = ABSENT.iter().find(|(name, _)| *name == first) {
        return Err(Failure::new(format!("wharf {first} is not supported: {advice}")));
    }
    let Some((group, about)) = GROUPS.iter().find(|(group, _)| *group == first) else {
        return Err(Failure::new(format!(
            "wharf: unknown command: wharf {first}\n\nRun 'wharf --help' for more information"
        )));
    };
    match rest.first().map(String::as_str) {
        None | Some("--help" | "-h") => {
            print!("{}", help::of_group(group, about));
            Ok(Found::Shown)
        }
        Some(name) => match verbs::in_group(group, name) {
            Some(verb) => {
                rest.remove(0);
                Ok(Found::Verb(verb, verb.path(true), rest))
            }
            None => Err(Failure::new(format!(
                "wharf: unknown command: wharf {group} {name}\n\nUsage:  wharf {group}\n\n\
                 Run 'wharf {group} --help' for more information"
            ))),
        },
    }
}

fn dispatch(global: &Parsed, parsed: &Parsed) -> Outcome {
    let hosts = [global.list("host"), parsed.list("host")].concat();

    let place = || match hosts.as_slice() {
        [] => lifecycle::Place::of(parsed, None),
        [host] => lifecycle::Place::of(parsed, Some(host)),
        _ => Err(Failure::new("specify only one --host")),
    };
    match parsed.verb.action {
        Action::Completion => completion(&parsed.args[0]),
        Action::Man => {
            man::write_pages(std::path::Path::new(&parsed.args[0]))?;
            Ok(0)
        }
        Action::Engine => engine::main(parsed, &hosts),
        Action::Up => lifecycle::up(&place()?),
        Action::Down => lifecycle::down(&place()?, parsed.switch("containers")),
        Action::Status => lifecycle::status(&place()?),
        Action::Restart if parsed.args.is_empty() => lifecycle::restart(&place()?),
        _ => client_verbs::main(parsed, &host::choose(&hosts)?),
    }
}

fn completion(shell: &str) -> Outcome {
    let script = complete::script(shell).ok_or_else(|| {
        Failure::new(format!("no completion for `{shell}`: it must be bash, zsh or fish"))
    })?;
    print!("{script}");
    Ok(0)
}
