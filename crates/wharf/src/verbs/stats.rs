//! `stats`: one stream of the engine's for all containers.

use std::io::Write;
use std::time::Duration;

use client::{Client, StatsOptions};
use docker_api::StatsResponse;
use tokio::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;
use show::{list, stats};

/// The lines of one reading come in one go; after such a pause they are all here.
const PAUSE: Duration = Duration::from_millis(20);
/// If they do not stop coming, what is here is shown.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// What was not heard of for two intervals and this time does not exist any more.
const SILENCE: Duration = Duration::from_millis(500);
/// Exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// `stats`.
pub async fn stats(client: &Client, flags: &Parsed) -> Outcome {
    let names = flags.args.iter().map(|name| name.trim_start_matches('/').to_owned());
    let interval = match flags.int("interval") {
        0 if !flags.is_set("interval") => Duration::from_secs(1),
        nanos => Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)),
    };
    let options = StatsOptions {
        containers: names.collect(),
        all: flags.switch("all"),
        stream: !flags.switch("no-stream"),
        interval: flags.is_set("interval").then_some(interval),
        ..StatsOptions::default()
    };
    let mut lines = client.container_stats(&options).await?;
    let mut view = View::new(flags, options.containers, interval);
    // A template that is wrong is said before anything is shown.
    view.render()?;
    if !options.stream {
        while let Some(line) = lines.next().await? {
            view.take(line);
        }
        return view.once();
    }
    loop {
        tokio::select! {
            line = lines.next() => match line? {
                Some(line) => view.take(line),
                None => {
                    view.draw()?;
                    return Ok(0);
                }
            },
            () = tokio::time::sleep_until(view.due) => view.draw()?,
            _ = tokio::signal::ctrl_c() => return Ok(INTERRUPTED),
        }
    }
}

/// What is shown.
struct View<'a> {
    flags: &'a Parsed,
    /// What the user called the containers.
    called: Vec<String>,
    rows: Vec<Seen>,
    /// After this silence a container is gone.
    silence: Duration,
    on_terminal: bool,
    /// When the first line came that is not shown.
    dirty: Option<Instant>,
    /// When to draw.
    due: Instant,
}

struct Seen {
    line: StatsResponse,
    at: Instant,
}

impl View<'_> {
    fn new(flags: &Parsed, called: Vec<String>, interval: Duration) -> View<'_> {
        let silence = interval * 2 + SILENCE;
        View {
            flags,
            called,
            rows: Vec::new(),
            silence,
            on_terminal: terminal::stdout_is_terminal(),
            dirty: None,
            due: Instant::now() + PAUSE_MAX,
        }
    }

    fn take(&mut self, line: StatsResponse) {
        let at = Instant::now();
        let first = *self.dirty.get_or_insert(at);
        self.due = (at + PAUSE).min(first + PAUSE_MAX);
        let place = self.rows.iter().position(|row| row.line.id == line.id);
        // The last line of one that has ended, where only running ones are wanted.
        let ended = line.read.is_zero() && !self.flags.switch("all") && self.called.is_empty();
        match place {
            Some(place) if ended => drop(self.rows.remove(place)),
            Some(place) => self.rows[place] = Seen { line, at },
            None if ended => {}
            None => self.rows.push(Seen { line, at }),
        }
    }

    /// All there is, and that is all.
    fn once(&self) -> Outcome {
        std::io::stdout().write_all(self.render()?.as_bytes())?;
        Ok(0)
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let before = self.rows.len();
        self.rows.retain(|row| now.duration_since(row.at) < self.silence);
        let changed = self.dirty.take().is_some() || before != self.rows.len();
        self.due = now + self.silence;
        if !changed && !self.on_terminal {
            return Ok(());
        }
        let mut text = self.render()?;
        if self.on_terminal {
            // From the top left, each line to its end, and nothing below.
            text = format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"));
        }
        let mut out = std::io::stdout();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    fn render(&self) -> Result<String, Failure> {
        let short = !self.flags.switch("no-trunc");
        let row = |seen: &Seen| stats::row(&seen.line, self.called(&seen.line), short);
        let rows = self.rows.iter().map(row).collect();
        Ok(list::render(&stats::SHAPE, self.flags.text("format"), false, rows)?)
    }

    /// What the user called it; else the short id.
    fn called<'a>(&'a self, line: &'a StatsResponse) -> &'a str {
        let name = line.name.trim_start_matches('/');
        let is_it = |called: &&String| *called == name || line.id.starts_with(called.as_str());
        match self.called.iter().find(is_it) {
            Some(called) => called,
            None => show::human::short_id(&line.id),
        }
    }
}
