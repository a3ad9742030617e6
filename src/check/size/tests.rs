use super::arithmetic::{MOST_FACTORS, MOST_PARTS};
use super::*;

#[test]
fn equal_sizes_are_equal_values() {
    let (n, two) = (Size::batch(), Size::constant(2));
    let doubled = n.add(&n, 1).unwrap();
    assert_eq!(doubled, n.multiply(&two).unwrap());
    assert_eq!(doubled.divide(&two, Rounding::Exact).unwrap(), n);
    assert_eq!(doubled.divide(&n, Rounding::Exact).unwrap(), two);
    assert_eq!(doubled.add(&doubled, -1).unwrap().as_constant(), Some(0));
    assert_eq!(doubled.add(&two, 1).unwrap().to_string(), "2 * batch + 2");
    assert_eq!(doubled.add(&two, 1).unwrap().extent().unwrap().to_string(), "2 batch + 2");
}

#[test]
fn divisions_wait_for_numbers() {
    let seven = Size::constant(7);
    let n = Symbol::fresh("n", SymbolKind::Given);
    let (size, two) = (Size::symbol(n.clone()), Size::constant(2));
    assert_eq!(seven.divide(&two, Rounding::Exact), None);
    assert_eq!(seven.divide(&two, Rounding::Floor), Some(Size::constant(3)));
    assert_eq!(seven.divide(&Size::constant(0), Rounding::Floor), None);
    let half = size.divide(&two, Rounding::Floor).unwrap();
    assert_eq!(half.to_string(), "floor(n / 2)");
    assert_eq!(half.substitute(&|_| Some(seven.clone())), Some(Size::constant(3)));
    let half = size.divide(&two, Rounding::Exact).unwrap();
    assert_eq!(half.substitute(&|_| Some(seven.clone())), None);
    assert_eq!(half.substitute(&|_| Some(Size::constant(8))), Some(Size::constant(4)));
    let sum = size.add(&two, 1).unwrap();
    assert_eq!(sum.divide(&sum, Rounding::Exact), Some(Size::constant(1)));
    let twice = sum.add(&two, 1).unwrap();
    let [a, b] = ["a", "b"].map(|name| Size::fresh(name, SymbolKind::Rigid));
    let sums = [a.add(&two, 1).unwrap(), a.add(&b, -1).unwrap()];
    let product = sums[0].multiply(&sums[1]).unwrap();
    assert_eq!(product.divide(&sums[0], Rounding::Exact), Some(sums[1].clone()));
    assert_eq!(product.divide(&sums[1], Rounding::Exact), Some(sums[0].clone()));
    assert!(product.divide(&b, Rounding::Exact).unwrap().is_undivided());
    assert_eq!(sum.divide(&twice, Rounding::Exact).unwrap().to_string(), "(n + 2) / (n + 4)");
}

#[test]
fn parts_of_a_batch_make_a_whole() {
    let batch = Size::batch();
    let number = Size::constant;
    let part = |of: &Size, by| of.divide(&number(by), Rounding::Exact).unwrap();
    let (half, quarter) = (part(&batch, 2), part(&batch, 4));
    assert_eq!(half.to_string(), "batch / 2");
    assert_eq!(half.add(&half, 1).unwrap(), batch);
    assert_eq!(part(&half, 2), quarter);
    assert_eq!(half.add(&quarter, 1).unwrap().add(&quarter, 1).unwrap(), batch);
    assert_eq!(quarter.multiply(&number(4)).unwrap(), batch);
    assert_eq!(quarter.multiply(&number(6)).unwrap().to_string(), "3 * batch / 2");
    assert_eq!(batch.divide(&quarter, Rounding::Exact), Some(number(4)));
    assert_eq!(
        quarter.add(&number(1), 1).unwrap().extent().unwrap().to_string(),
        "(batch + 4) / 4"
    );
    assert_eq!(half.relation(&quarter), Relation::Different);
    let more = batch.add(&number(1), 1).unwrap();
    assert_eq!(part(&more, 2).substitute(&|_| Some(number(7))), Some(number(4)));
    assert_eq!(part(&more, 2).fault(&|_| Some(number(8))), Some(SizeFault::Rest));
    assert_eq!(
        half.divide(&number(2), Rounding::Floor).unwrap().to_string(),
        "floor((batch / 2) / 2)"
    );
    let given = Size::fresh("k", SymbolKind::Given);
    assert_eq!(quarter.multiply(&given).unwrap().relation(&half), Relation::Open);
    let pattern = Size::fresh("n", SymbolKind::Pattern);
    let solved = |pattern: &Size| pattern.solve(&half).map(|(_, size)| size);
    assert_eq!(solved(&pattern.multiply(&number(4)).unwrap()), Some(part(&batch, 8)));
    assert_eq!(solved(&pattern.multiply(&quarter).unwrap()), Some(number(2)));
    assert!(!half.is_undivided() && half.is_share() && half.is_counted());
    let side = Size::fresh("h", SymbolKind::Side);
    let area = part(&side, 2).multiply(&quarter).unwrap();
    assert_eq!(area.substitute(&|own| (own.name.as_ref() == "h").then(|| number(3))), None);
    let whole = area.substitute(&|own| (own.name.as_ref() == "h").then(|| number(8)));
    assert_eq!(whole, Some(batch.clone()));
    assert!(part(&side, 2).is_undivided() && !part(&side, 2).is_share());
}

#[test]
fn positive_sizes_are_told_apart() {
    let [n, m] = [(); 2].map(|()| Size::fresh("n", SymbolKind::Rigid));
    let [p, q] = [(); 2].map(|()| Size::fresh("p", SymbolKind::Given));
    let double = |size: &Size| size.add(size, 1).unwrap();
    assert_eq!(n.relation(&n), Relation::Equal);
    assert_eq!(n.relation(&m), Relation::Different);
    assert_eq!(p.relation(&q), Relation::Open);
    assert_eq!(n.relation(&p), Relation::Different);
    assert_eq!(n.multiply(&p).unwrap().relation(&double(&n)), Relation::Open);
    assert_eq!(n.add(&p, 1).unwrap().relation(&double(&n)), Relation::Different);
    assert_eq!(p.relation(&Size::constant(8)), Relation::Open);
    assert_eq!(p.relation(&double(&p)), Relation::Different);
    assert_eq!(n.relation(&Size::constant(8)), Relation::Different);
}

#[test]
fn one_symbol_is_solved_for() {
    let pattern = Size::fresh("n", SymbolKind::Pattern);
    let other = Size::fresh("m", SymbolKind::Pattern);
    let twice_and_one = pattern.add(&pattern, 1).unwrap().add(&Size::constant(1), 1).unwrap();
    let solved = |pattern: &Size, found: &Size| pattern.solve(found).map(|(_, size)| size);
    assert_eq!(solved(&twice_and_one, &Size::constant(9)), Some(Size::constant(4)));
    assert_eq!(solved(&twice_and_one, &Size::constant(8)), None);
    let batches = Size::batch().multiply(&Size::constant(6)).unwrap();
    let found = batches.add(&Size::constant(1), 1).unwrap();
    assert_eq!(solved(&twice_and_one, &found).unwrap().to_string(), "3 * batch");
    assert_eq!(solved(&pattern.add(&other, 1).unwrap(), &found), None);
    let given = Size::fresh("k", SymbolKind::Given);
    let times = given.add(&Size::constant(2), 1).unwrap();
    let found = Size::batch().multiply(&times).unwrap();
    assert_eq!(solved(&pattern.multiply(&times).unwrap(), &found), Some(Size::batch()));
    assert_eq!(solved(&pattern.multiply(&pattern).unwrap(), &found), None);
}

#[test]
fn overflow_is_noticed() {
    let huge = Size::constant(i64::MAX);
    assert_eq!(huge.multiply(&huge), None);
    assert_eq!(huge.add(&huge, 1), None);
    assert_eq!(Size::constant(i64::MIN).divide(&Size::constant(-1), Rounding::Exact), None);
}

#[test]
fn sizes_stay_short() {
    let parts = (0..MOST_PARTS).map(|_| Size::fresh("a", SymbolKind::Rigid));
    let sum = parts.reduce(|sum, part| sum.add(&part, 1).unwrap()).unwrap();
    assert_eq!(sum.add(&Size::batch(), 1), None);
    assert_eq!(sum.multiply(&sum), None);
    let power =
        (1..MOST_FACTORS).fold(Size::batch(), |power, _| power.multiply(&Size::batch()).unwrap());
    assert_eq!(power.multiply(&Size::batch()), None);
}
