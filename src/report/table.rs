//! Tables of text.

/// How the heading is set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Letters that every log and every pipe can hold.
    Ascii,
    Unicode,
}

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Renders rows under a heading, each line ended by a line break.
pub fn render<const N: usize>(
    heading: [(&str, Align); N],
    rows: &[[String; N]],
    style: Style,
) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].0.chars().count()]).max().unwrap_or(0)
    });
    let rule = match style {
        Style::Ascii => "-",
        Style::Unicode => "─",
    };
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        let padded: [String; N] = std::array::from_fn(|column| {
            let (cell, width) = (cells[column], widths[column]);
            match heading[column].1 {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    };
    line(heading.map(|(title, _)| title));
    let rules = widths.map(|width| rule.repeat(width));
    line(rules.each_ref().map(String::as_str));
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let heading = [("stage", Align::Left), ("result", Align::Right), ("how", Align::Left)];
        let rows =
            [["a", "9.50%", "knn"], ["größer", "100.00%", ""]].map(|row| row.map(Into::into));
        let expected = "\
stage    result  how
------  -------  ---
a         9.50%  knn
größer  100.00%
";
        assert_eq!(render(heading, &rows, Style::Ascii), expected);
        let unicode = render(heading, &rows, Style::Unicode);
        assert_eq!(unicode, expected.replace('-', "─"));
    }
}
