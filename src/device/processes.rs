//! The processes of a run.

use std::ops::Range;

/// Which of the processes of a run this one is, and how many there are. A batch is that of all of
/// them; each takes the rows of its own part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processes {
    /// From zero.
    pub rank: usize,
    /// At least one.
    pub size: usize,
}

impl Processes {
    /// One process, which does it all.
    pub const ONE: Self = Self { rank: 0, size: 1 };

    /// The rows of a batch of so many that this process takes. Parts differ by a row at most.
    pub fn part(self, rows: usize) -> Range<usize> {
        rows * self.rank / self.size..rows * (self.rank + 1) / self.size
    }
}

#[cfg(test)]
mod tests {
    use super::Processes;

    #[test]
    fn parts_are_the_whole_in_order() {
        for (rows, size) in [(256, 1), (256, 3), (7, 8), (10, 4)] {
            let parts = (0..size).map(|rank| Processes { rank, size }.part(rows));
            let all: Vec<usize> = parts.clone().flatten().collect();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            let lengths: Vec<usize> = parts.map(|part| part.len()).collect();
            let most = lengths.iter().max().unwrap();
            assert!(lengths.iter().all(|own| own + 1 >= *most));
        }
    }
}
