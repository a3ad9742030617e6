//! The last maps of a convolutional encoder, and what is made of them.

use burn::tensor::Tensor;

use super::architecture::Pass;
use super::cost::{Extent, Walk};
use crate::device::Array;
use crate::term::objective::Section;

/// A section of an encoder that makes maps of images, `[n, c, h, w]` to `[n, d, h', w']`.
///
/// Its tokens are the positions of the maps, row after row: `[n, h' * w', d]`.
pub(super) fn section(
    section: Section,
    pass: &mut Pass<'_>,
    x: Array,
    maps: impl FnOnce(&mut Pass<'_>, Array) -> Array,
) -> Array {
    match (section, x.rank()) {
        (Section::Features, 4) => {
            let maps = maps(pass, x);
            pass.kernels.global_average_pool(maps)
        }
        (Section::Tokens | Section::Maps, 4) => {
            let maps = maps(pass, x);
            let maps: Tensor<4> = pass.kernels.finish(maps).into_tensor();
            let [n, width, height, across] = maps.dims();
            maps.permute([0, 2, 3, 1]).reshape([n, height * across, width]).into()
        }
        (Section::Features, 3) => mean(x.into_tensor()).into(),
        (Section::Maps, 3) => x,
        (section, rank) => panic!("convolutions have no {section:?} of rank {rank}"),
    }
}

/// The mean of the tokens of each image: `[n, t, d]` to `[n, d]`.
pub(super) fn mean(tokens: Tensor<3>) -> Tensor<2> {
    let [n, _, width] = tokens.dims();
    tokens.mean_dim(1).reshape([n, width])
}

pub(super) fn walk(section: Section, walk: &mut Walk, maps: impl FnOnce(&mut Walk)) {
    match (section, walk.at) {
        (Section::Features, Extent::Maps(_)) => {
            maps(walk);
            walk.average();
        }
        (_, Extent::Maps(_)) => {
            maps(walk);
            walk.positions();
        }
        (Section::Features, _) => walk.one_token(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::backends;
    use crate::nn::testing::pass;
    use crate::nn::{Updates, build};
    use crate::random::Key;
    use crate::term::{Args, Call, Term};

    fn encoder(name: &str) -> Term {
        let args = [("width", Term::Int(2)), ("stem", Term::Symbol("small".to_owned()))];
        let args = args.into_iter().map(|(name, term)| (name.to_owned(), term)).collect();
        Term::Call(Call { name: name.to_owned(), args: Args(args) })
    }

    /// Seventeen pixels leave a rest at every stride.
    #[test]
    fn features_are_the_mean_of_the_positions() {
        for on in backends() {
            for name in ["convnet", "resnet18", "resnet50"] {
                let net = build(&encoder(name), None);
                let params = net.init(Key::root(3), &on.device);
                let mut updates = Updates::new();
                let mut pass = pass(&on, &params, &mut updates);
                let pixels = (0..2 * 3 * 17 * 9).map(|at| (at % 23) as f32 / 23.0).collect();
                let images = Array::from_vec(pixels, &[2, 3, 17, 9], &on.device);
                let features = net.forward(&mut pass, images.clone()).to_vec();
                let mut of = |section, x: &Array| net.section(section, &mut pass, x.clone());
                let tokens = of(Section::Tokens, &images);
                assert_eq!(tokens.shape(), [2, 3 * 2, features.len() / 2], "{name}");
                assert_eq!(of(Section::Maps, &images).to_vec(), tokens.to_vec());
                assert_eq!(of(Section::Maps, &tokens).to_vec(), tokens.to_vec());
                assert_eq!(of(Section::Features, &images).to_vec(), features);
                let again = of(Section::Features, &tokens).to_vec();
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
                assert!(again.iter().zip(&features).all(near), "{again:?} {features:?}");
            }
        }
    }

    #[test]
    fn a_walk_goes_the_same_way() {
        let net = build(&encoder("resnet18"), None);
        let of = |section, at| {
            let mut walk = Walk::new(at);
            net.walk_section(section, &mut walk);
            walk
        };
        let image = Extent::Maps([3, 17, 9]);
        let (tokens, features) = (of(Section::Tokens, image), of(Section::Features, image));
        assert_eq!(tokens.at, Extent::Tokens([6, 16]));
        assert_eq!(tokens.cost.forward, features.cost.forward);
        let mut whole = Walk::new(image);
        net.walk(&mut whole);
        assert_eq!((whole.at, whole.cost), (features.at, features.cost));
        let pooled = of(Section::Features, tokens.at);
        assert_eq!((pooled.at, pooled.cost.forward), (Extent::Features(16), 0));
    }
}
