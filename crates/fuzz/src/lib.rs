//! Every parser of foreign bytes, as a function of bytes.
//!
//! The functions know what must always be true of a parser's answer, and panic when it is not. The
//! tests run them on the seeds in `seeds/` and on copies with bytes changed, the same in every run;
//! `WHARF_FUZZ_ROUNDS=N cargo test -p fuzz NAME` tries N copies of each seed instead. What is found
//! becomes a seed.

mod documents;
mod registries;
mod streams;
mod words;

/// One parser.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its seeds' directory.
    pub name: &'static str,
    /// Parses.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "tar", run: streams::tar },
    Target { name: "decompress", run: streams::decompress },
    Target { name: "layer", run: streams::layer },
    Target { name: "image-archive", run: streams::image_archive },
    Target { name: "log-file", run: streams::log_file },
    Target { name: "monitor-frames", run: streams::monitor_frames },
    Target { name: "stdcopy", run: streams::stdcopy },
    Target { name: "dns-question", run: streams::dns_question },
    Target { name: "manifest", run: documents::manifest },
    Target { name: "image-config", run: documents::image_config },
    Target { name: "runtime-spec", run: documents::runtime_spec },
    Target { name: "cdi", run: documents::cdi },
    Target { name: "seccomp", run: documents::seccomp },
    Target { name: "request-body", run: documents::request_body },
    Target { name: "accounts", run: documents::accounts },
    Target { name: "challenge", run: registries::challenge },
    Target { name: "content-range", run: registries::content_range },
    Target { name: "link", run: registries::link },
    Target { name: "registry-error", run: registries::error },
    Target { name: "token", run: registries::token },
    Target { name: "hosts-toml", run: registries::hosts_toml },
    Target { name: "dns", run: registries::dns },
    Target { name: "url", run: registries::url },
    Target { name: "reference", run: words::reference },
    Target { name: "query", run: words::query },
    Target { name: "filters", run: words::filters },
    Target { name: "template", run: words::template },
    Target { name: "change", run: words::change },
];

#[cfg(test)]
mod tests;
