//! Objectives of the literature written by hand, of operations alone: right, they get no finding,
//! and with a slip they get its own, once.

use cpipe::Compilation;

use crate::lints::training;
use crate::support::{names, text};

/// An objective over `network`, with what it computes of the views `a` and `b`.
fn objective(body: &str) -> String {
    format!(
        "define own(encoder: Encoder) -> Objective {{
  let network = encoder >> mlp(hidden: 64, out: 32, norm: batch)
{body}
}}"
    )
}

fn judged(body: &str) -> Compilation {
    text(&training(&objective(body), "own(backbone)"))
}

/// van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with the keys of the batch.
const INFO_NCE: &str = "  given views a, b
  let q = normalize(network(a))
  let k = normalize(network(b))
  let logits = matmul(q, transpose(k)) / 0.1
  minimize -mean(diagonal(log_softmax(logits)))";

/// The same by its parts, the positive apart from the rest.
const INFO_NCE_BY_PARTS: &str = "  given views a, b
  let q = normalize(network(a))
  let k = normalize(network(b))
  let own = sum(q * k, over: last)
  minimize mean(log_sum_exp(10 * matmul(q, transpose(k))) - own / 0.1)";

/// Told by the place of each example in a queue of keys and by logarithms alone.
const BY_EXPONENTIALS: &str = "  given views a, b
  let q = normalize(network(a))
  let k = detach(normalize(network(b)))
  let positive = exp(sum(q * k, over: last) / 0.07)
  let negative = sum(exp(matmul(q, transpose(fifo(k, size: 1024))) / 0.07), over: last)
  minimize -mean(log(positive / (positive + negative)))";

/// He et al. 2019, arXiv:1911.05722, algorithm 1, with a temperature that falls.
const WARMED: &str = "  given views a, b
  let key = ema(network, momentum: 0.99)
  let q = normalize(network(a))
  let k = normalize(key(b))
  let t = cosine(from: 5.0, to: 0.1)
  let rest = log_sum_exp(matmul(q, transpose(fifo(k, size: 1024))) / t)
  minimize mean(softplus(rest - sum(q * k, over: last) / t))";

/// The same with the batch norms of eight devices, section 3.3.
const SHUFFLED: &str = "  given views a, b
  let key = ema(network, momentum: 0.99)
  let q = normalize(grouped_norm(network, 8)(a))
  let k = normalize(grouped_norm(key, 8, shuffle: true)(b))
  let rest = log_sum_exp(matmul(q, transpose(fifo(k, size: 1024))) / 0.2)
  minimize mean(softplus(rest - sum(q * k, over: last) / 0.2))";

/// Bardes et al. 2021, arXiv:2105.04906, eq. 1 to 6.
const VICREG: &str = "  given views a, b
  let u = network(a)
  let v = network(b)
  let kept = mean(relu(1 - sqrt(variance(u) + 1e-4))) + mean(relu(1 - sqrt(variance(v) + 1e-4)))
  let apart = sum(square(off_diagonal(covariance(u)))) + sum(square(off_diagonal(covariance(v))))
  minimize 25 * mean((u - v) * (u - v)) + 25 * kept / 2 + apart / 32";

/// With the standard deviation by its definition.
const VICREG_BY_MEANS: &str = "  given views a, b
  let u = network(a)
  let v = network(b)
  let kept = mean(relu(1 - sqrt(mean(square(center(u)), over: first) + 1e-4)))
  minimize mean(square(u - v)) + kept";

/// Zbontar et al. 2021, arXiv:2103.03230, eq. 1 and 2.
const BARLOW_TWINS: &str = "  given views a, b
  let c = cross_covariance(standardize(network(a)), standardize(network(b)), unbiased: false)
  minimize sum(square(1 - diagonal(c))) + 5e-3 * sum(square(off_diagonal(c)))";

/// Chen and He 2020, arXiv:2011.10566, eq. 1 and 2.
const SIMSIAM: &str = "  let predictor = mlp(hidden: 16, out: 32)
  given views a, b
  let u = network(a)
  let v = network(b)
  let one   = sum(normalize(predictor(u)) * normalize(detach(v)), over: last)
  let other = sum(normalize(predictor(v)) * normalize(detach(u)), over: last)
  minimize -mean(one) / 2 - mean(other) / 2";

/// Grill et al. 2020, arXiv:2006.07733, eq. 2.
const BYOL: &str = "  let predictor = mlp(hidden: 16, out: 32)
  let target = ema(network, momentum: 0.99)
  given views a, b
  let p = normalize(predictor(network(a)))
  let q = normalize(predictor(network(b)))
  let z = normalize(target(b))
  let w = normalize(target(a))
  minimize mean(sum(square(p - z), over: last)) + mean(sum((q - w) * (q - w), over: last))";

/// Yeh et al. 2021, arXiv:2110.06848, eq. 6.
const DCL: &str = "  given views a, b
  let p = normalize(network(a))
  let q = normalize(network(b))
  let across = off_diagonal(matmul(p, transpose(q)))
  let within = off_diagonal(matmul(p, transpose(p)))
  let others = log_sum_exp(concat_columns(across, within) / 0.1)
  minimize mean(others) - mean(sum(p * q, over: last) / 0.1)";

/// Caron et al. 2020, arXiv:2006.09882, eq. 2 and section 3.1.
const SWAV: &str = "  let centres = linear(out: 100)
  given views a, b
  let p = centres(normalize(network(a)))
  let q = centres(normalize(network(b)))
  let one   = sum(sinkhorn(q) * log_softmax(p, temperature: 0.1), over: last)
  let other = sum(sinkhorn(p) * log_softmax(q, temperature: 0.1), over: last)
  minimize -mean(one + other) / 2";

/// Caron et al. 2021, arXiv:2104.14294, algorithm 1.
const DINO: &str = "  let teacher = ema(network, momentum: 0.996)
  given views a, b
  let t = teacher(a)
  let targets = softmax(t - running_mean(t), temperature: 0.04)
  minimize -mean(sum(targets * log_softmax(network(b), temperature: 0.1), over: last))";

/// HaoChen et al. 2021, arXiv:2106.04156, eq. 6: dot products without a temperature.
const SPECTRAL: &str = "  given views a, b
  let u = network(a)
  let v = network(b)
  minimize mean(square(off_diagonal(matmul(u, transpose(v))))) - 2 * mean(sum(u * v, over: last))";

/// Wang and Isola 2020, arXiv:2005.10242, section 4.2: of rows of length one a squared distance is
/// two less twice their dot product.
const UNIFORMITY: &str = "  given views a, b
  let u = normalize(network(a))
  let v = normalize(network(b))
  let spread = log(mean(exp(4 * off_diagonal(similarity(u, u)) - 4)))
  minimize mean(sum(square(u - v), over: last)) + spread";

/// A margin between the other view and the nearest earlier key: Schroff et al. 2015,
/// arXiv:1503.03832, eq. 3.
const TRIPLETS: &str = "  given views a, b
  let u = normalize(network(a))
  let v = normalize(network(b))
  let keys = fifo(v, size: 1024)
  let other = gather(keys, nearest(u, keys))
  let far = sum(square(u - other), over: last)
  minimize mean(relu(0.2 + sum(square(u - v), over: last) - far))";

/// Alemi et al. 2016, arXiv:1612.00410, eq. 17: two networks read one view, and are not compared.
const BOTTLENECK: &str = "  let mean_of   = linear(out: 8)
  let spread_of = linear(out: 8)
  let classes   = linear(out: 10)
  given view a and label y
  let h = network(a)
  let mu = mean_of(h)
  let s = spread_of(h)
  let z = mu + exp(s / 2) * noise(mu)
  let rate = mean(sum(square(mu) - s + exp(s) - 1, over: last)) / 2
  minimize cross_entropy(classes(z), y) + 1e-3 * rate";

/// Lee et al. 2020, arXiv:2010.08887, section 3.1: each of two mixed images is found by its share.
const I_MIX: &str = "  given views a, b
  let share = random_uniform(mean(mean(mean(a, over: last), over: last), over: last))
  let other = random_permutation(a)
  let q = normalize(network(scale_examples(a, share) + scale_examples(gather(a, other), 1 - share)))
  let k = normalize(network(b))
  let alike = share * dot(q, k) + (1 - share) * dot(q, gather(k, other))
  minimize mean(log_sum_exp(similarity(q / 0.2, k)) - alike / 0.2)";

const ALL: &[(&str, &str)] = &[
    ("InfoNCE", INFO_NCE),
    ("InfoNCE by parts", INFO_NCE_BY_PARTS),
    ("InfoNCE by exponentials", BY_EXPONENTIALS),
    ("MoCo with a falling temperature", WARMED),
    ("MoCo with shuffled batch norms", SHUFFLED),
    ("VICReg", VICREG),
    ("VICReg by means", VICREG_BY_MEANS),
    ("Barlow Twins", BARLOW_TWINS),
    ("SimSiam", SIMSIAM),
    ("BYOL", BYOL),
    ("DCL", DCL),
    ("SwAV", SWAV),
    ("DINO", DINO),
    ("spectral contrast", SPECTRAL),
    ("alignment and uniformity", UNIFORMITY),
    ("triplets", TRIPLETS),
    ("i-Mix", I_MIX),
];

#[test]
fn what_is_right_gets_no_finding() {
    let mut misjudged = Vec::new();
    for (name, body) in ALL {
        let found = judged(body);
        for own in &found.diagnostics {
            let place = own.place().map(|place| found.sources.text(place));
            misjudged.push(format!("{name}: {} at {place:?}: {}", own.finding.name, own.message));
        }
    }
    let labelled = training(&objective(BOTTLENECK), "own(backbone)").replace(".unlabeled", "");
    assert_eq!(names(&text(&labelled)), [""; 0], "variational bottleneck");
    assert!(misjudged.is_empty(), "{}", misjudged.join("\n"));
}

/// A slip, and the one finding about it, at which text.
#[test]
fn one_slip_by_hand_gets_one_finding() {
    let slips: &[(&str, &str, &str, &str, &str)] = &[
        (INFO_NCE, "normalize(network(a))", "network(a)", "features-not-normalized", "network(a)"),
        (INFO_NCE, "normalize(network(b))", "normalize(network(a))", "same-view", "diagonal(log"),
        (INFO_NCE, "0.1", "10.0", "unusual-temperature", "10.0"),
        (SHUFFLED, ", shuffle: true", "", "batch-norm-leak", "grouped_norm(network, 8)"),
        (INFO_NCE_BY_PARTS, "normalize(network(b))", "normalize(network(a))", "same-view", "q * k"),
        (INFO_NCE_BY_PARTS, "10 *", "0.1 *", "unusual-temperature", "0.1"),
        (BY_EXPONENTIALS, "1024", "8192", "queue-larger-than-data", "8192"),
        (
            BY_EXPONENTIALS,
            "detach(normalize(network(b)))",
            "detach(network(b))",
            "features-not-normalized",
            "network(b)",
        ),
        (WARMED, "normalize(key(b))", "key(b)", "features-not-normalized", "key(b)"),
        (VICREG, "+ 25 * kept / 2 + apart / 32", "", "only-attraction", "u - v"),
        (VICREG, "network(b)", "network(a)", "same-view", "u - v"),
        (BARLOW_TWINS, "network(b)", "network(a)", "same-view", "diagonal(c)"),
        (SIMSIAM, "detach(v)", "v", "only-attraction", "normalize(predictor(u)) * normalize(v)"),
        (SIMSIAM, "normalize(predictor(u))", "normalize(u)", "only-attraction", "normalize(u) *"),
        (
            BYOL,
            "let p = normalize(predictor(network(a)))",
            "let p = normalize(network(a))",
            "only-attraction",
            "p - z",
        ),
        (
            BYOL,
            "let q = normalize(predictor(network(b)))",
            "let q = normalize(network(b))",
            "only-attraction",
            "q - w",
        ),
        (BYOL, "target(b)", "target(a)", "same-view", "p - z"),
        (DCL, "normalize(network(b))", "network(b)", "features-not-normalized", "network(b)"),
        (DCL, "within) / 0.1", "within) / 20.0", "unusual-temperature", "20.0"),
        (SWAV, "sinkhorn(q) *", "sinkhorn(p) *", "same-view", "sinkhorn(p) * log"),
        (DINO, "network(b)", "network(a)", "same-view", "targets * log"),
        (DINO, "t - running_mean(t)", "t", "only-attraction", "targets * log"),
        (DINO, "0.04", "0.0004", "unusual-temperature", "0.0004"),
        (SPECTRAL, "network(b)", "network(a)", "same-view", "u * v"),
        (UNIFORMITY, " + spread", "", "only-attraction", "u - v"),
        (UNIFORMITY, " + spread", " - spread", "collapse-rewarded", "similarity(u, u)"),
        (
            VICREG,
            "+ 25 * kept / 2 + apart / 32",
            "- kept + apart",
            "collapse-rewarded",
            "variance(u)",
        ),
        (TRIPLETS, " - far", "", "only-attraction", "u - v"),
    ];
    let mut misjudged = Vec::new();
    for (body, from, to, finding, place) in slips {
        let slip = body.replace(from, to);
        assert_ne!(slip, **body, "{from}");
        let found = judged(&slip);
        let doubts: Vec<_> = found
            .diagnostics
            .iter()
            .filter(|own| !["unused-name", "unused-view"].contains(&own.finding.name))
            .map(|own| (own.finding.name, own.place().map(|place| found.sources.text(place))))
            .collect();
        match doubts[..] {
            [(name, Some(text))] if name == *finding && text.starts_with(place) => {}
            _ => {
                misjudged.push(format!("`{from}` as `{to}`: {doubts:?}, not {finding} at {place}"))
            }
        }
    }
    assert!(misjudged.is_empty(), "{}", misjudged.join("\n"));
}
