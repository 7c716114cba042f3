//! Columns as Go's `tabwriter` aligns them: a cell ends at a tab, and cells above each other in
//! lines that follow each other form a column.

/// Narrowest column of lists.
pub const LIST_WIDTH_MIN: usize = 10;
/// Narrowest column of `top`.
pub const TOP_WIDTH_MIN: usize = 20;

const PADDING: usize = 3;

/// Aligns `text`, whose cells end at tabs.
pub fn align(text: &str, width_min: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut out = String::with_capacity(text.len() * 2);
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        set_column(&lines, &mut widths, column, width_min);
    }
    for (number, cells) in lines.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < cells.len() {
                let missing = widths[number][column].saturating_sub(cell.chars().count());
                out.extend(std::iter::repeat_n(' ', missing));
            }
        }
    }
    out
}

/// Finds the width of one column in every run of lines that have it. A line's last cell belongs
/// to no column.
fn set_column(lines: &[Vec<&str>], widths: &mut [Vec<usize>], column: usize, width_min: usize) {
    let has = |line: &Vec<&str>| line.len() > column + 1;
    let mut start = 0;
    while start < lines.len() {
        if !has(&lines[start]) {
            start += 1;
            continue;
        }
        let run = lines[start..].iter().take_while(|line| has(line)).count();
        let cells = lines[start..start + run].iter().map(|line| line[column].chars().count());
        let width = cells.max().map_or(0, |widest| widest + PADDING).max(width_min);
        for line in &mut widths[start..start + run] {
            line[column] = width;
        }
        start += run;
    }
}
