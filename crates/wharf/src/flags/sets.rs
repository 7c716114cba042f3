//! Flags that several verbs take together.

use super::{Flag, Kind, check};

/// Where an engine keeps its things.
pub const DIRECTORIES: &[Flag] = &[
    Flag::text("root", "Directory of images, containers and volumes").default("/var/lib/wharf"),
    Flag::text("run", "Directory of sockets and process ids").default("/run/wharf"),
];

/// How an engine is set up; each is a key of its configuration file too.
pub const ENGINE: &[Flag] = &[
    Flag::text("config-file", "Configuration file").default(crate::config::PATH),
    Flag::list("add-runtime", "Register another OCI runtime, as NAME=PATH"),
    Flag::list("cdi-spec-dir", "Directory of device specifications (CDI)"),
    Flag::text("default-runtime", "OCI runtime of containers that name none"),
    Flag::list("registry-mirror", "Mirror that is asked before Docker's registry, as a URL"),
    Flag::list("insecure-registry", "Registry without trusted TLS, as HOST[:PORT] or a network"),
    Flag::text("default-registry", "Registry of images whose names have none, as HOST[:PORT]"),
    Flag::int("max-concurrent-downloads", "Most downloads at a time").default("3"),
    Flag::int("max-concurrent-uploads", "Most uploads at a time").default("5"),
    Flag::int("max-download-attempts", "How often a download is tried").default("5"),
    Flag::text("http-proxy", "Proxy for registries that are reached by HTTP"),
    Flag::text("https-proxy", "Proxy for registries that are reached by HTTPS"),
    Flag::text("no-proxy", "Hosts, domains and networks that are reached without proxy"),
];

/// As [`DIRECTORIES`], for a verb that is mostly about containers.
pub const HIDDEN_DIRECTORIES: &[Flag] = &[
    Flag::text("root", "Directory of the engine").default("/var/lib/wharf").hidden(),
    Flag::text("run", "Directory of its sockets").default("/run/wharf").hidden(),
];

/// What is removed, and whether to ask before.
pub const PRUNE: &[Flag] = &[
    Flag::of("filter", Kind::List("filter", check::filter), "Remove only what matches"),
    Flag::switch("force", "Do not ask").short('f'),
];

/// How containers are stopped.
pub const STOP: &[Flag] = &[
    Flag::text("signal", "Signal to send").short('s'),
    Flag::int("time", "Seconds to wait before SIGKILL").alias("timeout", true),
    Flag::int("timeout", "Seconds to wait before SIGKILL").short('t'),
];

/// Where an archive goes.
pub const OUTPUT: Flag =
    Flag::text("output", "Write to this file instead of standard output").short('o');

/// What `--format` takes.
pub const FORMAT_HELP: &str = "How to print:\n'json': as JSON\n'TEMPLATE': by a Go template";
/// How one answer is printed.
pub const FORMAT: Flag = Flag::text("format", FORMAT_HELP).short('f');
/// What `--format` of a list takes.
pub const TABLE_FORMAT_HELP: &str = "How to print:\n'table': in columns\n\
     'table TEMPLATE': in columns by a Go template\n'json': as JSON\n'TEMPLATE': by a Go template";
/// How a list is printed.
pub const TABLE_FORMAT: Flag = Flag::text("format", TABLE_FORMAT_HELP);

/// What is shown.
pub const FILTER: Flag =
    Flag::of("filter", Kind::List("filter", check::filter), "Show only what matches").short('f');
/// Whether texts are cut.
pub const NO_TRUNC: Flag = Flag::switch("no-trunc", "Do not shorten anything");
/// How an attached client leaves.
pub const DETACH_KEYS: Flag =
    Flag::text("detach-keys", "Keys that leave an attached container running");
