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

/// Blanks between two columns.
const GAP: usize = 2;

/// Renders rows under a heading, each line ended by a line break.
///
/// A column without a text and a title is left out. Where the table is wider than `width`, the texts of its widest columns go on in further lines.
pub fn render<R: AsRef<[String]>>(
    heading: &[(&str, Align)],
    rows: &[R],
    style: Style,
    width: usize,
) -> String {
    let widest = |(column, (title, _)): (usize, &(&str, Align))| {
        let cells = rows.iter().map(|row| row.as_ref()[column].chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = heading.iter().enumerate().map(widest).collect();
    let shown = widths.iter().filter(|width| **width > 0).count();
    while widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1) > width {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 1 => *widest -= 1,
            _ => break,
        }
    }
    let rule = match style {
        Style::Ascii => "-",
        Style::Unicode => "─",
    };
    let mut text = String::new();
    let mut line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width));
        let cells: Vec<Vec<String>> = cells.collect();
        for index in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let shown = (0..cells.len()).filter(|column| widths[*column] > 0);
            let padded = shown.map(|column| {
                let cell = cells[column].get(index).map_or("", String::as_str);
                let width = widths[column];
                match heading[column].1 {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                }
            });
            let padded: Vec<String> = padded.collect();
            text.push_str(padded.join(&" ".repeat(GAP)).trim_end());
            text.push('\n');
        }
    };
    line(heading.iter().map(|(title, _)| *title).collect());
    let rules: Vec<String> = widths.iter().map(|width| rule.repeat(*width)).collect();
    line(rules.iter().map(String::as_str).collect());
    for row in rows {
        line(row.as_ref().iter().map(String::as_str).collect());
    }
    text
}

/// A text whose lines are broken between words. What is one word, such as a path, stays whole, so
/// that it can be copied.
pub fn between_words(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let needed = word.chars().count();
        if used > 0 && used + 1 + needed > width {
            lines.push('\n');
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += needed;
    }
    lines
}

/// A text in lines of at most `width` columns, broken between words and, where one is longer than a
/// line, within it.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let lines = between_words(text, width);
    let cut = |line: &str| {
        let letters: Vec<char> = line.chars().collect();
        let pieces = letters.chunks(width).map(|piece| piece.iter().collect());
        if letters.is_empty() { vec![String::new()] } else { pieces.collect() }
    };
    lines.split('\n').flat_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: [(&str, Align); 3] =
        [("stage", Align::Left), ("result", Align::Right), ("how", Align::Left)];

    fn rows() -> [[String; 3]; 2] {
        [["a", "9.50%", "knn of all"], ["größer", "100.00%", ""]].map(|row| row.map(Into::into))
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let expected = "\
stage    result  how
------  -------  ----------
a         9.50%  knn of all
größer  100.00%
";
        assert_eq!(render(&HEADING, &rows(), Style::Ascii, 80), expected);
        let unicode = render(&HEADING, &rows(), Style::Unicode, 80);
        assert_eq!(unicode, expected.replace('-', "─"));
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let heading = [("a", Align::Left), ("", Align::Right), ("b", Align::Left)];
        let rows = [["1", "", "2"].map(str::to_owned)];
        assert_eq!(render(&heading, &rows, Style::Ascii, 80), "a  b\n-  -\n1  2\n");
    }

    #[test]
    fn what_does_not_fit_goes_on_below() {
        let expected = "\
stage    result  how
------  -------  ------
a         9.50%  knn of
                 all
größer  100.00%
";
        assert_eq!(render(&HEADING, &rows(), Style::Ascii, 23), expected);
        let narrow = render(&HEADING, &rows(), Style::Ascii, 3);
        assert!(narrow.lines().all(|line| line.chars().count() <= 7), "{narrow}");
    }

    #[test]
    fn words_are_kept_whole_where_they_can_be() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 4), ["one", "two", "thre", "e"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a bcdefgh i", 3), ["a", "bcd", "efg", "h", "i"]);
    }
}
