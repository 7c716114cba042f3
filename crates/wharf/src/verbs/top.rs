//! `top`.

use client::Client;

use crate::failure::Outcome;
use crate::flags::parse::Parsed;
use show::table::{TOP_WIDTH_MIN, align};

/// `top`.
pub async fn top(client: &Client, flags: &Parsed) -> Outcome {
    let top = client.container_top(&flags.args[0], &flags.args[1..].join(" ")).await?;
    let mut text = top.titles.unwrap_or_default().join("\t");
    for process in top.processes.unwrap_or_default() {
        text.push('\n');
        text.push_str(&process.join("\t"));
    }
    println!("{}", align(&text, TOP_WIDTH_MIN));
    Ok(0)
}
