//! Rows of `history`.

use std::collections::BTreeMap;

use docker_api::{HistoryItem, Timestamp};

use super::human::{ago, ellipsis, short_id, size};
use super::list::{Row, Shape};

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

/// Characters of an instruction that are shown.
const CREATED_BY_MOST: usize = 45;

/// The list for people.
pub const SHAPE: Shape = Shape {
    table: "{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.CreatedBy}}\t\
            {{.Size}}\t{{.Comment}}",
    headings: HEADINGS,
};

/// The list with times and bytes.
pub const PRECISE: Shape = Shape {
    table: "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    headings: HEADINGS,
};

/// The row of one step.
pub fn row(step: &HistoryItem, short: bool, human: bool) -> Row {
    let created_by = step.created_by.replace('\t', " ");
    let created_by = if short { ellipsis(&created_by, CREATED_BY_MOST) } else { created_by };
    let id = if short { short_id(&step.id) } else { &step.id };
    let size = if human { size(step.size) } else { step.size.to_string() };
    // Old images say that they were made in 1970, or before.
    let since = if step.created <= 0 { String::new() } else { ago(step.created) };
    Row::new(
        "*formatter.historyContext",
        BTreeMap::new(),
        vec![
            ("Comment", step.comment.as_str().into()),
            ("CreatedAt", Timestamp::from_seconds(step.created).to_string().into()),
            ("CreatedBy", created_by.into()),
            ("CreatedSince", since.into()),
            ("ID", id.into()),
            ("Size", size.into()),
        ],
    )
}
