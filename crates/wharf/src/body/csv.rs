//! One line of comma-separated fields, of which some may be in double quotes.

/// Its fields.
pub fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let bare = &rest[..end];
                if let Some(at) = bare.find('"') {
                    let column = line.len() - rest.len() + at + 1;
                    return Err(format!(
                        "parse error on line 1, column {column}: bare \" in non-quoted-field"
                    ));
                }
                (bare.to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}

/// The field behind an opening quote, and what follows its closing one.
fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some(at) = rest.find('"') else {
            return Err("parse error on line 1: extraneous or missing \" in quoted-field".into());
        };
        field.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None if rest.is_empty() || rest.starts_with(',') => return Ok((field, rest)),
            None => {
                return Err(
                    "parse error on line 1: extraneous or missing \" in quoted-field".into()
                );
            }
        }
    }
}
