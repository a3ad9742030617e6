//! Lines that fit nothing and stand in one pair of brackets, such as a call over several lines.

/// Which of the lines of a block lie between a round or square bracket that one of them opens and
/// its end in a later one. `lines` has `None` for what could be read, whose brackets are closed.
pub fn bracketed(lines: &[Option<&str>]) -> Vec<bool> {
    let mut open = Vec::new();
    // How many brackets more are open from that line on.
    let mut changes = vec![0_isize; lines.len() + 1];
    for (index, line) in lines.iter().enumerate() {
        for bracket in line.iter().flat_map(|line| brackets(line)) {
            match bracket {
                '(' | '[' => open.push(index),
                _ => {
                    if let Some(first) = open.pop() {
                        // Both are positions in `lines`, which is one shorter.
                        changes[first] += 1;
                        changes[index + 1] -= 1;
                    }
                }
            }
        }
    }
    let mut depth = 0;
    let depths = changes.iter().take(lines.len()).map(|change| {
        depth += change;
        depth > 0
    });
    depths.collect()
}

/// The brackets of a line, outside of texts and comments.
fn brackets(line: &str) -> Vec<char> {
    let code = line.split("//").next().unwrap_or_default();
    // Every other part stands between quotes.
    let outside = code.split('"').step_by(2).flat_map(str::chars);
    outside.filter(|c| matches!(c, '(' | ')' | '[' | ']')).collect()
}

#[cfg(test)]
mod tests {
    use super::bracketed;

    #[test]
    fn lines_in_brackets_belong_together() {
        let lines = [None, Some("a: f(x y,"), None, Some("b: \"(\" [1]) // ("), None, Some("c: (")];
        // The round bracket of the first is closed in the second; those of the last two never are.
        assert_eq!(bracketed(&lines), [false, true, true, true, false, false]);
    }
}
