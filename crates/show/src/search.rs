//! Rows of `search`.

use std::collections::BTreeMap;

use docker_api::SearchResult;

use super::human::ellipsis;
use super::list::{Row, Shape};

/// Characters of a description that are shown.
const DESCRIPTION_MOST: usize = 45;

/// The list.
pub const SHAPE: Shape = Shape {
    table: "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    headings: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("StarCount", "STARS"),
        ("IsOfficial", "OFFICIAL"),
    ],
};

/// The row of one repository.
pub fn row(result: &SearchResult, short: bool) -> Row {
    // A stranger's words: what steers a terminal is left out.
    let steers = |c: &char| !c.is_control() || matches!(c, '\n' | '\r');
    let description: String = result.description.chars().filter(steers).collect();
    let description = description.replace(['\n', '\r'], " ");
    let name: String = result.name.chars().filter(|c| !c.is_control()).collect();
    let description = if short { ellipsis(&description, DESCRIPTION_MOST) } else { description };
    let official = if result.is_official { "[OK]" } else { "" };
    Row::new(
        "*registry.searchContext",
        BTreeMap::new(),
        vec![
            ("Description", description.into()),
            ("IsOfficial", official.into()),
            ("Name", name.into()),
            ("StarCount", result.star_count.to_string().into()),
        ],
    )
    .with_json("IsOfficial", result.is_official.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::render;

    fn shown(format: &str, short: bool) -> String {
        let description = "d\r\n".to_owned() + &"d".repeat(60);
        let star_count = 3;
        let nginx = SearchResult {
            name: "library/nginx".to_owned(),
            description: "Official build of Nginx.".to_owned(),
            star_count: 19000,
            is_official: true,
            is_automated: false,
        };
        let bob = SearchResult {
            name: "bob/nginx".to_owned(),
            description,
            star_count,
            ..SearchResult::default()
        };
        let rows = [nginx, bob].iter().map(|result| row(result, short)).collect();
        render(&SHAPE, format, false, rows).unwrap()
    }

    /// As Docker's command line printed them.
    #[test]
    fn lists_are_docker_s() {
        assert_eq!(
            shown("", true),
            format!(
                "NAME            DESCRIPTION                                     STARS     \
                 OFFICIAL\n\
                 library/nginx   Official build of Nginx.                        19000     [OK]\n\
                 bob/nginx       d  {}…   3         \n",
                "d".repeat(41)
            )
        );
        assert!(shown("", false).contains(&"d".repeat(60)));
        let json = shown("json", true);
        assert!(json.starts_with(
            "{\"Description\":\"Official build of Nginx.\",\"IsOfficial\":\"true\",\"Name\":\
             \"library/nginx\",\"StarCount\":\"19000\"}\n"
        ));
        assert!(shown("{{.Name}} {{.IsOfficial}}", true).starts_with("library/nginx [OK]\n"));
    }
}
