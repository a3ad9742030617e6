//! Shares of a dataset that keep its classes in proportion.

use crate::random::Key;
use crate::term::Share;

/// A random sample of each class, and at least one example of every class that has any: positions in
/// `labels`, ascending.
///
/// A larger share under the same key holds the smaller one. At most `u32::MAX` labels.
pub fn stratified(labels: &[u32], share: Share, key: Key) -> Vec<u32> {
    if share.is_whole() {
        return (0..labels.len() as u32).collect();
    }
    let count = labels.iter().max().map_or(0, |largest| *largest as usize + 1);
    let mut classes = vec![Vec::new(); count];
    for (index, &label) in (0u32..).zip(labels) {
        classes[label as usize].push(index);
    }
    let mut sample = Vec::new();
    for (class, mut members) in (0u64..).zip(classes) {
        if members.is_empty() {
            continue;
        }
        let count = share.of(members.len());
        key.fold(class).stream().shuffle(&mut members);
        sample.extend_from_slice(&members[..count]);
    }
    sample.sort_unstable();
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent_of(percent: f64) -> Share {
        Share { percent, each: None }
    }

    fn labels() -> Vec<u32> {
        (0..1000).map(|index| if index % 4 == 0 { 7 } else { (index % 3) as u32 }).collect()
    }

    fn count(labels: &[u32], sample: &[u32], class: u32) -> usize {
        sample.iter().filter(|&&index| labels[index as usize] == class).count()
    }

    #[test]
    fn every_class_keeps_its_share() {
        let labels = labels();
        for percent in [0.5, 1.0, 10.0, 33.3, 99.0] {
            let sample = stratified(&labels, percent_of(percent), Key::root(1));
            assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
            for class in [0, 1, 2, 7] {
                let all = labels.iter().filter(|&&label| label == class).count();
                let expected = (all as f64 * percent / 100.0).round().max(1.0) as usize;
                assert_eq!(count(&labels, &sample, class), expected, "{percent} % of {class}");
            }
        }
    }

    #[test]
    fn no_class_is_lost_and_none_is_invented() {
        assert_eq!(stratified(&[3, 3, 9], percent_of(0.0), Key::root(1)).len(), 2);
        assert!(stratified(&[], percent_of(10.0), Key::root(1)).is_empty());
    }

    #[test]
    fn everything_is_everything() {
        let all: Vec<u32> = (0..1000).collect();
        assert_eq!(stratified(&labels(), percent_of(100.0), Key::root(1)), all);
        assert_eq!(stratified(&labels(), percent_of(250.0), Key::root(1)), all);
    }

    #[test]
    fn the_key_chooses_and_a_larger_share_holds_the_smaller() {
        let labels = labels();
        let few = stratified(&labels, percent_of(10.0), Key::root(1));
        assert_eq!(few, stratified(&labels, percent_of(10.0), Key::root(1)));
        assert_ne!(few, stratified(&labels, percent_of(10.0), Key::root(2)));
        let many = stratified(&labels, percent_of(40.0), Key::root(1));
        assert!(few.iter().all(|index| many.contains(index)));
    }

    #[test]
    fn a_few_of_each_class_are_among_more() {
        let labels = labels();
        let few =
            |each| stratified(&labels, Share { percent: 100.0, each: Some(each) }, Key::root(1));
        let five = few(5);
        assert_eq!([0, 1, 2, 7].map(|class| count(&labels, &five, class)), [5; 4]);
        let fifty = few(50);
        assert!(five.iter().all(|index| fifty.contains(index)));
        assert_eq!(few(1000).len(), labels.len());
    }
}
