//! The kernels of each backend against the fall-back in burn's own operations.

use burn::tensor::{Device, Tensor};

use super::array::by_rank;
use super::testing::{address, backends};
use super::{Adam, After, Array, Averages, Descent, FallBack, Kernels, Normalized, Selected};
use crate::random::Key;

fn noise(seed: u64, shape: &[usize], device: &Device) -> Array {
    let mut stream = Key::root(seed).stream();
    let values = (0..shape.iter().product()).map(|_| stream.uniform_in(-1.0, 1.0)).collect();
    Array::from_vec(values, shape, device)
}

fn close(found: &Array, expected: &Array, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let (found, expected) = (found.to_vec(), expected.to_vec());
    let scale = expected.iter().fold(0.0_f32, |all, value| all.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * scale, "{what}: {found} is not {expected}");
    }
}

/// The output of a function, and the gradients of a weighted sum of it by each of its inputs that is
/// `tracked`.
fn gradients(inputs: &[Array], tracked: &[bool], f: impl Fn(&[Array]) -> Array) -> Vec<Array> {
    let leaf = |(own, tracked): (&Array, &bool)| if *tracked { own.leaf() } else { own.clone() };
    let inputs: Vec<Array> = inputs.iter().zip(tracked).map(leaf).collect();
    let output = f(&inputs);
    let weights = noise(99, &output.shape(), &output.device());
    let mut made = vec![output.constant()];
    let sum = by_rank!(output.rank(), D => (output.tensor::<D>() * weights.tensor::<D>()).sum());
    let mut gradients = sum.backward();
    for (input, _) in inputs.iter().zip(tracked).filter(|(_, tracked)| **tracked) {
        made.push(input.take_gradient(&mut gradients).expect("it is tracked"));
    }
    made
}

#[test]
fn convolutions_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        for (kernel, stride, padding) in
            [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3), (5, 3, 0)]
        {
            for [batch, input, output, side] in
                [[1, 1, 1, 9], [3, 5, 7, 11], [2, 8, 4, 16], [4, 2, 4, 16], [2, 16, 32, 8]]
            {
                let x = noise(1, &[batch, input, side, side + 1], &device);
                let weight = noise(2, &[output, input, kernel, kernel], &device);
                for tracked in [[true, true], [true, false], [false, true]] {
                    let of = |kernels: &dyn Kernels| {
                        gradients(&[x.clone(), weight.clone()], &tracked, |own| {
                            kernels.conv2d(own[0].clone(), own[1].clone(), stride, padding)
                        })
                    };
                    for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                        let what = format!("{kernel} {stride} {padding} {batch} {tracked:?}");
                        close(found, &expected, &what);
                    }
                }
            }
        }
    }
}

/// Of few rows and of many, which backends may multiply otherwise.
#[test]
fn linear_layers_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        for [rows, input, output] in
            [[1, 1, 1], [5, 3, 4], [2047, 7, 18], [2048, 7, 18], [3001, 33, 16]]
        {
            let parts = [
                noise(1, &[rows, input], &device),
                noise(2, &[output, input], &device),
                noise(3, &[output], &device),
            ];
            for (tracked, has_bias) in [
                ([true; 3], true),
                ([true, true, false], false),
                ([false, true, true], true),
                ([true, false, false], true),
            ] {
                let of = |kernels: &dyn Kernels| {
                    gradients(&parts, &tracked, |own| {
                        let [x, weight, bias] = [0, 1, 2].map(|at: usize| own[at].clone());
                        kernels.linear(x, weight, has_bias.then_some(bias))
                    })
                };
                for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                    close(found, &expected, &format!("{rows} {input} {output} {tracked:?}"));
                }
            }
        }
    }
}

#[test]
fn convolutions_by_channel_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        for (shape, kernel) in [
            ([1, 1, 1, 1], 1),
            ([2, 3, 5, 4], 3),
            ([3, 16, 9, 13], 7),
            ([2, 40, 8, 8], 7),
            ([2, 17, 2, 3], 5),
        ] {
            for laid_out in [false, true] {
                let parts = [
                    noise(1, &shape, &device),
                    noise(2, &[shape[1], 1, kernel, kernel], &device),
                    noise(3, &[shape[1]], &device),
                ];
                for tracked in [[true; 3], [false, true, true], [true, false, false]] {
                    let of = |kernels: &dyn Kernels| {
                        gradients(&parts, &tracked, |own| {
                            let [mut x, weight, bias] = [0, 1, 2].map(|at: usize| own[at].clone());
                            if laid_out {
                                x = convolved(kernels, x);
                            }
                            kernels.depthwise(x, weight, bias)
                        })
                    };
                    for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                        close(found, &expected, &format!("{shape:?} {kernel} {tracked:?}"));
                    }
                }
            }
        }
    }
}

/// The same maps, in the order in memory in which convolutions leave them.
fn convolved(kernels: &dyn Kernels, x: Array) -> Array {
    let channels = x.shape()[1];
    let weight = Tensor::<2>::eye(channels, &x.constant().device());
    kernels.conv2d(x, weight.reshape([channels, channels, 1, 1]).into(), 1, 0)
}

#[test]
fn batch_norms_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        for (shape, laid_out) in [
            (&[6, 3][..], false),
            (&[4, 1, 7], false),
            (&[4, 6, 5, 7], false),
            (&[4, 6, 5, 7], true),
            (&[8, 16, 4, 4], true),
            (&[2, 3, 40, 40], true),
            (&[2, 33, 1, 3], true),
        ] {
            let (x, channels) = (noise(1, shape, &device), [shape[1]]);
            let parts = [
                x,
                noise(2, &channels, &device),
                noise(3, &channels, &device),
                noise(4, shape, &device),
            ];
            for tracked in [[true; 4], [false, true, true, false], [true, false, false, true]] {
                for (groups, relu, joins) in [
                    (1, false, false),
                    (1, true, false),
                    (1, true, true),
                    (2, false, true),
                    (2, true, false),
                    (2, true, true),
                ] {
                    let of = |kernels: &dyn Kernels| {
                        gradients(&parts[..3 + usize::from(joins)], &tracked, |own| {
                            let [mut x, scale, shift] = [0, 1, 2].map(|at: usize| own[at].clone());
                            if laid_out {
                                x = convolved(kernels, x);
                            }
                            let after = After { shortcut: own.get(3).cloned(), relu };
                            kernels.batch_norm(x, [scale, shift], (groups, 1e-5), after).output
                        })
                    };
                    for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                        let what = format!("{shape:?} {tracked:?} {groups} {relu} {joins}");
                        close(found, &expected, &what);
                    }
                }
            }
            let [x, scale, shift, _] = parts;
            for groups in [1, 2] {
                let of = |kernels: &dyn Kernels| {
                    let parts = [scale.clone(), shift.clone()];
                    let mut x = x.leaf();
                    if laid_out {
                        x = convolved(kernels, x);
                    }
                    let Normalized { mean, variance, .. } =
                        kernels.batch_norm(x, parts, (groups, 1e-5), After::default());
                    assert!(!mean.is_tracked() && !variance.is_tracked());
                    [mean, variance]
                };
                for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                    close(found, &expected, &format!("statistics of {shape:?} in {groups}"));
                }
            }
        }
    }
}

#[test]
fn what_transformers_are_made_of_is_that_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        for shape in [&[3, 1, 6][..], &[4, 9, 192], &[2, 65, 96], &[7, 3, 3, 48]] {
            let width = [shape[shape.len() - 1]];
            let x: Array = by_rank!(shape.len(), D => {
                (noise(1, shape, &device).into_tensor::<D>() * 6.0 + 0.5).into()
            });
            let parts = [x.clone(), noise(2, &width, &device), noise(3, &width, &device)];
            for tracked in [[true; 3], [true, false, false], [false, true, true]] {
                let of = |kernels: &dyn Kernels| {
                    gradients(&parts, &tracked, |own| {
                        let parts = [own[1].clone(), own[2].clone()];
                        kernels.layer_norm(own[0].clone(), parts, 1e-6)
                    })
                };
                for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                    close(found, &expected, &format!("norms of {shape:?}, {tracked:?}"));
                }
            }
            let of = |kernels: &dyn Kernels| {
                gradients(std::slice::from_ref(&x), &[true], |own| kernels.gelu(own[0].clone()))
            };
            for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                close(found, &expected, &format!("GELU of {shape:?}"));
            }
            let &[_, _, width] = shape else { continue };
            for (heads, causal) in [(1, false), (1, true), (width / 6, false), (2, true)] {
                let of = |kernels: &dyn Kernels| {
                    gradients(std::slice::from_ref(&x), &[true], |own| {
                        kernels.attention(own[0].clone(), heads, causal)
                    })
                };
                for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                    close(found, &expected, &format!("attention of {shape:?}, {heads} {causal}"));
                }
            }
        }
    }
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    for Selected { device, kernels: own, .. } in backends() {
        let mut values = vec![1.0; 2 * 3 * 4 * 4];
        values[5] = f32::NAN;
        let x = Array::from_vec(values, &[2, 3, 4, 4], &device);
        for x in [x.clone(), convolved(own, x)] {
            let parts = [1.0, 0.0].map(|own| Array::from_vec(vec![own; 3], &[3], &device));
            let after = After { relu: true, ..After::default() };
            let output = own.batch_norm(x, parts, (1, 1e-5), after).output;
            assert!(output.to_vec()[..16].iter().all(|own| own.is_nan()));
        }
        let mut values = vec![1.0; 2 * 3 * 6];
        values[7] = f32::NAN;
        let x = Array::from_vec(values, &[2, 3, 6], &device);
        let parts = [1.0, 0.0].map(|own| Array::from_vec(vec![own; 6], &[6], &device));
        let nans = |x: Array| x.to_vec().iter().map(|own| own.is_nan()).collect::<Vec<_>>();
        let (row, all) = (6..12, 0..36);
        let normal = nans(own.layer_norm(x.clone(), parts, 1e-6));
        assert_eq!(normal, all.clone().map(|at| row.contains(&at)).collect::<Vec<_>>());
        assert_eq!(nans(own.gelu(x.clone())), all.map(|at| at == 7).collect::<Vec<_>>());
        // One of the second token's queries: nobody else asks by it.
        let attended = nans(own.attention(x, 1, false));
        assert_eq!(attended, (0..12).map(|at| at / 2 == 1).collect::<Vec<_>>());
    }
}

#[test]
fn fixed_batch_norms_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        for (shape, laid_out) in [
            (&[6, 3][..], false),
            (&[4, 6, 5, 7], false),
            (&[4, 6, 5, 7], true),
            (&[2, 16, 4, 4], true),
        ] {
            let (x, channels) = (noise(1, shape, &device), [shape[1]]);
            let [scale, shift, mean] = [2, 3, 4].map(|seed| noise(seed, &channels, &device));
            let variance: Array = (noise(5, &channels, &device).into_tensor::<1>() + 1.5).into();
            for (relu, joins) in [(false, false), (true, false), (false, true), (true, true)] {
                let of = |kernels: &dyn Kernels, x: Array| {
                    let given = if laid_out { convolved(kernels, x) } else { x };
                    let held = given.clone();
                    let before = held.to_vec();
                    let [once, again] = [given.clone(), given].map(|given| {
                        let after =
                            After { shortcut: joins.then(|| noise(6, shape, &device)), relu };
                        let parts = [scale.clone(), shift.clone()];
                        let fixed = [mean.clone(), variance.clone()];
                        kernels.batch_norm_fixed(given, parts, fixed, 1e-5, after)
                    });
                    assert_eq!(held.to_vec(), before, "what is held elsewhere has moved");
                    drop(held);
                    close(&once, &again, "the same again");
                    once
                };
                let what = format!("{shape:?} {laid_out} {relu} {joins}");
                close(&of(own, x.clone()), &of(&FallBack, x.clone()), &what);
                // With a gradient to follow.
                close(&of(own, x.leaf()), &of(&FallBack, x.clone()), &what);
            }
        }
    }
}

/// A tensor that nobody else holds is written to where it lies.
#[test]
fn what_nobody_else_holds_is_normalised_in_place() {
    for Selected { device, kernels: own, .. } in backends() {
        let parts = || [1.5, -0.25].map(|own| Array::from_vec(vec![own; 16], &[16], &device));
        let x = noise(1, &[2, 16, 3, 3], &device);
        let expected = own.batch_norm(x.leaf(), parts(), (1, 1e-5), After::default()).output;
        let at = address;
        let maps = convolved(own, x);
        let (held, place) = (maps.clone(), at(&maps));
        let kept = own.batch_norm(maps, parts(), (1, 1e-5), After::default()).output;
        close(&kept, &expected.constant(), "held");
        assert_ne!(at(&kept), place);
        let alone = own.batch_norm(held, parts(), (1, 1e-5), After::default()).output;
        close(&alone, &expected.constant(), "alone");
        assert_eq!(at(&alone), place);

        let fixed = || [0.5, 2.0].map(|own| Array::from_vec(vec![own; 16], &[16], &device));
        let expected =
            FallBack.batch_norm_fixed(alone.clone(), parts(), fixed(), 1e-5, After::default());
        let again = own.batch_norm_fixed(alone, parts(), fixed(), 1e-5, After::default());
        close(&again, &expected, "by given numbers");
        assert_eq!(at(&again), place);
    }
}

/// A channel that is constant has no variance, and never less.
#[test]
fn no_variance_is_below_zero() {
    for Selected { device, kernels: own, .. } in backends() {
        let x = Tensor::<2>::full([64, 2], 3.3, &device);
        let ones = || Array::from_vec(vec![1.0; 2], &[2], &device);
        let batch = own.batch_norm(x.into(), [ones(), ones()], (1, 1e-5), After::default());
        assert!(batch.variance.to_vec().iter().all(|own| (0.0..1e-6).contains(own)));
        // The mean is rounded, and what that leaves is scaled up.
        assert!(batch.output.to_vec().iter().all(|own| (own - 1.0).abs() < 1e-3));
    }
}

#[test]
fn what_is_held_elsewhere_does_not_move() {
    for Selected { device, kernels: own, .. } in backends() {
        let mut averages = [noise(1, &[3, 2], &device), noise(2, &[4], &device)];
        let (before, elsewhere) = (averages.clone().map(|own| own.to_vec()), averages[0].clone());
        let targets = [noise(3, &[3, 2], &device), noise(4, &[4], &device)];
        own.lerp_many(&mut averages, &[&targets[0], &targets[1]], 0.75);
        for ((moved, before), target) in averages.iter().zip(&before).zip(&targets) {
            for ((moved, before), target) in moved.to_vec().iter().zip(before).zip(target.to_vec())
            {
                assert!((moved - (0.75 * before + 0.25 * target)).abs() < 1e-6);
            }
        }
        assert_eq!(elsewhere.to_vec(), before[0]);
        own.lerp_many(&mut [], &[], 0.75);
    }
}

#[test]
fn descents_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        let shapes = [&[7][..], &[3, 5], &[2, 3, 3, 3]];
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            for weight_decay in [0.0, 0.1] {
                let how = Descent { lr: 0.1, weight_decay, momentum, nesterov };
                let of = |kernels: &dyn Kernels| {
                    let mut values: Vec<Array> =
                        (1..).zip(shapes).map(|(at, own)| noise(at, own, &device)).collect();
                    let (mut buffers, elsewhere) = (Vec::new(), values.clone());
                    let before: Vec<_> = elsewhere.iter().map(Array::to_vec).collect();
                    for step in 0..3 {
                        let gradient = |(at, own): (u64, &&[usize])| match own {
                            // As the way back through a product leaves it: not in the order of its sizes.
                            [rows, columns] => {
                                let turned: Tensor<2> =
                                    noise(at, &[*columns, *rows], &device).into_tensor();
                                turned.transpose().into()
                            }
                            _ => noise(at, own, &device),
                        };
                        let gradients = (10 * (step + 1)..).zip(&shapes).map(gradient).collect();
                        kernels.descend_many(&mut values, gradients, &mut buffers, how);
                    }
                    assert_eq!(elsewhere.iter().map(Array::to_vec).collect::<Vec<_>>(), before);
                    assert_eq!(buffers.len(), if momentum == 0.0 { 0 } else { shapes.len() });
                    values.extend(buffers);
                    values
                };
                for (found, expected) in of(own).iter().zip(of(&FallBack)) {
                    close(found, &expected, &format!("{how:?}"));
                }
            }
        }
        own.descend_many(
            &mut [],
            Vec::new(),
            &mut Vec::new(),
            Descent { lr: 0.1, weight_decay: 0.0, momentum: 0.9, nesterov: false },
        );
    }
}

/// Also of arrays that do not lie in the order of their sizes, or that somebody else holds.
#[test]
fn many_at_once_are_those_of_the_fall_back() {
    for Selected { device, kernels: own, .. } in backends() {
        let all = |at: u64| -> Vec<Array> {
            let turned: Tensor<2> = noise(at, &[40_000, 2], &device).into_tensor();
            vec![turned.transpose().into(), noise(at + 1, &[7], &device)]
        };
        let near = |found: &[Array], expected: &[Array], what: &str| {
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(own, other)| close(own, other, what));
        };
        let (mut moved, mut expected) = (all(1), all(1));
        let elsewhere = moved.clone();
        let norms = own.norms(&moved);
        assert_eq!(norms.shape(), [2]);
        near(&[norms], &[FallBack.norms(&expected)], "norms");
        own.add_many(&mut moved, &all(3), 0.7);
        FallBack.add_many(&mut expected, &all(3), 0.7);
        near(&moved, &expected, "sums");
        for factors in [noise(5, &[2], &device), noise(6, &[1], &device)] {
            own.scale_many(&mut moved, &factors);
            FallBack.scale_many(&mut expected, &factors);
            near(&moved, &expected, "factors");
        }
        for decoupled in [false, true] {
            let averages = Averages { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
            let [mut kept, mut followed] = [(); 2].map(|()| vec![Vec::new(); 2]);
            for number in 1..4 {
                let how = Adam { averages, lr: 0.1, weight_decay: 0.02, decoupled, number };
                let gradients = || all(10 * u64::from(number.unsigned_abs()));
                own.adam_many(&mut moved, gradients(), &mut followed, how);
                FallBack.adam_many(&mut expected, gradients(), &mut kept, how);
            }
            near(&moved, &expected, "values");
            near(&followed.concat(), &kept.concat(), "averages");
        }
        assert_eq!(elsewhere.iter().map(Array::to_vec).collect::<Vec<_>>(), {
            let before = all(1);
            before.iter().map(Array::to_vec).collect::<Vec<_>>()
        });
        own.add_many(&mut [], &[], 1.0);
        own.scale_many(&mut [], &Array::number(1.0, &device));
    }
}
