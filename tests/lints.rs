//! Legal programs: those of the literature get no finding, and one slip in them gets its own.

use std::fs;

use cpipe::diagnostics::Severity;
use cpipe::{Request, compile};

use crate::support::{names, root, text};

/// A pre-training by an objective, with everything else as it is in use.
pub fn training(define: &str, objective: &str) -> String {
    format!(
        "use std.augment.moco_v2_crops
use std.datasets.shapes
use std.encoders.convnet
{define}
pipeline train() {{
  encoder backbone = convnet(width: 16)
  pretrain base {{
    data: shapes().train.unlabeled, views: moco_v2_crops(size: 32), objective: {objective}
    optimizer: sgd(lr: 0.06, momentum: 0.9), length: 2 epochs, batch: 256
  }}
}}
"
    )
}

const BYOL: &str = "define own(encoder: Encoder, momentum: Float in 0..=1 = 0.996) -> Objective {
  let online    = encoder >> mlp(hidden: 64, out: 32, norm: batch)
  let predictor = mlp(hidden: 64, out: 32, norm: batch)
  let target    = ema(online, momentum: momentum)
  given views a, b
  minimize cosine_distance(predictor(online(a)), target(b))
         + cosine_distance(predictor(online(b)), target(a))
}";

const SIMSIAM: &str = "define own(encoder: Encoder) -> Objective {
  let online    = encoder >> mlp(hidden: 64, out: 64, layers: 3, norm: batch, output_norm: batch)
  let predictor = mlp(hidden: 16, out: 64, norm: batch)
  given views a, b
  let u = online(a)
  let v = online(b)
  minimize (cosine_distance(predictor(u), detach(v)) + cosine_distance(predictor(v), detach(u))) / 2
}";

const MOCO: &str =
    "define own(encoder: Encoder, queue: Int > 0 = 2048, t: Float > 0 = 0.2) -> Objective {
  let query = encoder >> mlp(hidden: encoder.width, out: 64)
  let key   = ema(query, momentum: 0.99)
  given views a, b
  let p = normalize(query(a))
  let q = normalize(query(b))
  let k = normalize(key(b))
  let l = normalize(key(a))
  minimize info_nce(p, k, negatives: fifo(k, size: queue), temperature: t)
         + info_nce(q, l, negatives: fifo(l, size: queue), temperature: t)
  report spread = spread(p)
}";

const SIMCLR: &str = "define own(encoder: Encoder, t: Float > 0 = 0.5) -> Objective {
  let network = encoder >> mlp(hidden: 64, out: 32)
  given views a, b
  minimize nt_xent(normalize(network(a)), normalize(network(b)), temperature: t)
}";

/// Without a queue: the keys of a batch by an average, and a predictor, as in Chen et al. 2021,
/// arXiv:2104.02057.
const MOCO_V3: &str = "define own(encoder: Encoder, t: Float > 0 = 0.2) -> Objective {
  let query     = encoder >> mlp(hidden: 64, out: 32, norm: batch, output_norm: plain)
  let predictor = mlp(hidden: 64, out: 32, norm: batch, output_norm: plain)
  let key       = ema(query, momentum: cosine(from: 0.99, to: 1.0))
  given views a, b
  let p = normalize(predictor(query(a)))
  let q = normalize(predictor(query(b)))
  let k = normalize(key(b))
  let l = normalize(key(a))
  minimize 2 * t * (batch_info_nce(p, k, temperature: t) + batch_info_nce(q, l, temperature: t))
}";

/// A queue in the place of the batch, and nothing that averages: the keys come from the same network
/// without a gradient.
const SIAMESE_QUEUE: &str = "define own(encoder: Encoder) -> Objective {
  let network   = encoder >> mlp(hidden: 64, out: 32)
  let predictor = mlp(hidden: 64, out: 32)
  given views a, b
  let k = detach(normalize(network(b)))
  minimize info_nce(normalize(predictor(network(a))), k, negatives: fifo(k, size: 1024), temperature: 0.1)
}";

/// Features of one encoder told from those of a second, which a loss of its own trains.
const TWO_ENCODERS: &str = "define own(encoder: Encoder) -> Objective {
  let left  = encoder >> mlp(hidden: 64, out: 32)
  let right = convnet(width: 8) >> mlp(hidden: 64, out: 32)
  given views a, b
  minimize nt_xent(normalize(left(a)), normalize(right(b)), temperature: 0.2)
}";

/// Distances of the middles of two views, as in Dufumier et al. 2022, arXiv:2206.01646: lengths count.
const UNIFORM: &str = "define own(encoder: Encoder) -> Objective {
  let network = encoder >> mlp(hidden: 64, out: 32)
  given views a, b
  let middle = (normalize(network(a)) + normalize(network(b))) / 2
  let length = sum(square(middle), over: last)
  let far    = transpose(length - 2 * similarity(middle, middle)) + length
  minimize log(mean(exp(-2 * off_diagonal(far))))
}";

/// Distances to the middles of classes, as in Snell et al. 2017, arXiv:1703.05175: to tell one of
/// ten is no contrast with few.
const CLASSES: &str = "define own(encoder: Encoder) -> Objective {
  let network = encoder >> mlp(hidden: 64, out: 32)
  given view a and label y
  let f      = network(a)
  let middle = matmul(transpose(one_hot(y, classes: 10)), f) / 26
  minimize cross_entropy(2 * similarity(f, middle) - sum(square(middle), over: last), y)
}";

/// Of one view by one network: what rows are to columns, columns are to rows.
const WITHIN: &str = "define own(encoder: Encoder) -> Objective {
  let network = encoder >> mlp(hidden: 64, out: 32)
  given views a, b
  let u = normalize(network(a))
  let v = normalize(network(b))
  let w = exp(similarity(u, u))
  minimize mean(log(w / sum(w, over: last))) - mean(dot(u, v)) - nuclear_norm(u + v) / 256
}";

const BELOW: &str = "define own(encoder: Encoder) -> Objective {
  let network = encoder >> linear(out: 32)
  let predict = linear(out: 32)
  given views a
  let rows  = chunk(network(windows(a, grid: 4, side: 14)), parts: 4)
  let below = normalize(flatten(last_rows(rows, count: 1)))
  let told  = normalize(predict(flatten(but_last_rows(rows, count: 3))))
  minimize mean(log_sum_exp(similarity(told / 0.2, below))) - mean(dot(told / 0.2, below))
}";

#[test]
fn the_literature_gets_no_finding() {
    let labels = SIMCLR
        .replace("given views a, b", "given views a, b and label y")
        .replace("nt_xent(", "sup_con(")
        .replace(", temperature: t)", ", y, temperature: t)");
    for labelled in [&labels, CLASSES] {
        let supervised = training(labelled, "own(backbone)").replace(".unlabeled", "");
        assert_eq!(names(&text(&supervised)), [""; 0], "{labelled}");
    }
    for define in
        [BYOL, SIMSIAM, MOCO, MOCO_V3, SIMCLR, SIAMESE_QUEUE, TWO_ENCODERS, UNIFORM, WITHIN, BELOW]
    {
        assert_eq!(names(&text(&training(define, "own(backbone)"))), [""; 0], "{define}");
    }
    // What another stage has trained is a target that may stay.
    let distilled = "define own(encoder: Encoder) -> Objective {
  let student = encoder >> linear(out: encoder.width)
  given views a, b
  minimize cosine_distance(student(a), student(b)) + nt_xent(normalize(student(a)), normalize(student(b)))
}";
    assert_eq!(names(&text(&training(distilled, "own(backbone)"))), [""; 0]);
}

#[test]
fn shipped_pipelines_get_no_finding() {
    for folder in ["pipelines", "tests/reference", "tests/fixtures"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "cpipe") {
                let file = path.display().to_string();
                let found =
                    compile(&Request { file: &file, ..Request::default() }, &cpipe::resolve::Disk);
                assert_eq!(names(&found), [""; 0], "{file}");
            }
        }
    }
}

/// What may be pushed apart beside what is made alike in a way that is not seen, as rows of other
/// images, or as two answers about one view.
#[test]
fn what_is_to_differ_has_no_lost_sign() {
    let minimized =
        "minimize nt_xent(normalize(network(a)), normalize(network(b)), temperature: t)";
    let rolled = SIMCLR.replace("given views a, b", "given views a, b and index i").replace(
        minimized,
        "let p = normalize(network(a))
  let q = normalize(network(b))
  let other = concat(last_rows(q, count: 1), but_last_rows(q, count: 1))
  minimize pick(similarity(q / t, bank(p, index: i)), rows: i) + mean(relu(dot(p, other) - t))",
    );
    let parted = SIMCLR.replace(
        minimized,
        "let other = encoder >> mlp(hidden: 64, out: 32)
  minimize mean(relu(dot(normalize(other(a)), normalize(network(a)))))
         + mean(log_sum_exp(similarity(normalize(network(a)) / t, normalize(network(b)))))",
    );
    let labelled = SIMCLR.replace("given views a, b", "given views a, b and label y").replace(
        minimized,
        "let tell = linear(out: 10)
  minimize cross_entropy(tell(network(a)), y)
         + t * mean(relu(dot(normalize(network(a)), normalize(network(b)))))",
    );
    let labelled = training(&labelled, "own(backbone)").replace(".unlabeled", "");
    let programs = [rolled, parted].map(|own| training(&own, "own(backbone)"));
    for program in programs.into_iter().chain([labelled]) {
        let found = text(&program);
        let is_right = found.diagnostics.iter().all(|own| own.severity() != Severity::Error);
        assert!(is_right, "{program}: {:?}", names(&found));
        assert!(!names(&found).contains(&"only-repulsion"), "{program}");
    }
}

/// What is written of `u` and `v`, rows of length one of two views, `s` their similarity, and what is
/// found of it.
#[test]
fn matrices_and_their_rows_are_told_apart() {
    let within = |part: &str| {
        format!("let k = {part}\n  minimize mean(k / sum(k, over: last)) + nt_xent(u, v)")
    };
    let alone = |part: &str| format!("minimize mean({part}) + nt_xent(u, v)");
    let judged = [
        // The rows of a symmetric matrix are its columns.
        (within("matmul(transpose(u), u)"), ""),
        (within("similarity(u, u / 0.1)"), ""),
        (within("covariance(u)"), ""),
        (within("s + transpose(s)"), ""),
        (within("similarity(u, v) * similarity(v, u)"), ""),
        (within("exp(similarity(u, u)) * greater(similarity(u, u), similarity(u, u) / 2)"), ""),
        (within("matmul_rows(u, transpose(u))"), ""),
        (within("similarity(u, detach(u))"), ""),
        (within("similarity(u, v) + similarity(u, u) + similarity(v, u)"), ""),
        (within("square(s - transpose(s))"), ""),
        (within("exp(s)"), "rows-for-columns"),
        (within("s - transpose(s)"), "rows-for-columns"),
        (alone("s / (sum(s, over: last) + sum(square(s), over: last))"), "rows-for-columns"),
        (alone("exp(s) / (sum(exp(s), over: last) + 1e-6)"), "rows-for-columns"),
        (alone("exp(s) * (1 / sum(exp(s), over: last))"), "rows-for-columns"),
        (alone("s - log_sum_exp(s)"), "rows-for-columns"),
        (alone("transpose(transpose(s) - log_sum_exp(s))"), ""),
        (alone("softplus(log_sum_exp(s) - diagonal(s))"), "positive-among-negatives"),
        (alone("info_nce(u, v, negatives: normalize(n(b)))"), "positive-among-negatives"),
        (alone("info_nce(u, detach(v), negatives: v)"), "positive-among-negatives"),
        (alone("info_nce(u, v, negatives: u)"), "positive-among-negatives"),
        (alone("info_nce(u, v, negatives: fifo(u, size: 1024))"), ""),
        (alone("log_sum_exp(matmul_rows(u / 0.0001, transpose(v)))"), "unusual-temperature"),
        // Squared distances are, whose lengths count, and what the positives are taken from is not.
        (alone("exp(sum(square(n(b)), over: last) - 2 * similarity(n(a), n(b)))"), ""),
        (
            alone("log_sum_exp(similarity(u, n(b)) / 0.1 - dot(u, n(b)) / 0.1)"),
            "features-not-normalized",
        ),
        (alone("soft_cross_entropy((softmax(u) + softmax(v)) / 2, softmax(v))"), "softmax-twice"),
        (alone("soft_cross_entropy(softmax(u) / 0.1, softmax(v))"), ""),
        (alone("sum(swap(group(concat(u, v), size: 2)), over: first)"), "rows-of-one-view"),
        (alone("sum(chunk(concat(u, v), parts: 2), over: first)"), ""),
    ];
    for (minimized, finding) in judged {
        let define = format!(
            "define own(encoder: Encoder) -> Objective {{
  let n = encoder >> mlp(hidden: 64, out: 32)
  given views a, b
  let u = normalize(n(a))
  let v = normalize(n(b))
  let s = similarity(u, v) / 0.1
  {minimized}
}}"
        );
        let found = text(&training(&define, "own(backbone)"));
        let mut found: Vec<_> =
            names(&found).into_iter().filter(|own| *own != "unused-name").collect();
        // What is written twice is told twice.
        found.dedup();
        let wanted: Vec<_> = [finding].into_iter().filter(|own| !own.is_empty()).collect();
        assert_eq!(found, wanted, "{minimized}");
    }
}

/// What is found of objectives of `u` and `v`, the outputs of a network, and `p` and `q`, the same at
/// length one.
pub fn found_of(minimized: &str) -> Vec<&'static str> {
    let define = format!(
        "define own(encoder: Encoder) -> Objective {{
  let n = encoder >> mlp(hidden: 64, out: 32)
  let target = ema(n, momentum: 0.99)
  given views a, b
  let u = n(a)
  let v = n(b)
  let p = normalize(u)
  let q = normalize(v)
  {minimized}
}}"
    );
    let found = text(&training(&define, "own(backbone)"));
    assert!(!found.diagnostics.iter().any(|own| own.severity() == Severity::Error), "{define}");
    names(&found).into_iter().filter(|own| *own != "unused-name").collect()
}

/// Only what a gradient reaches, with a weight and with its own sign, keeps representations apart.
#[test]
fn what_keeps_apart_has_its_sign_and_a_gradient() {
    let pulled = [
        ("narrowness(u)", ""),
        ("0 * narrowness(u)", "only-attraction"),
        ("constant(value: 0.0) * narrowness(u)", "only-attraction"),
        ("narrowness(detach(u))", "only-attraction"),
        ("narrowness(target(a))", "only-attraction"),
        ("redundancy(u)", "only-attraction"),
        ("(0 - narrowness(u))", "collapse-rewarded"),
        ("mean(variance(u))", "collapse-rewarded"),
        ("(0 - mean(variance(u)))", ""),
        // Which way this goes is not known.
        ("mean(square(1 - variance(u)))", ""),
        ("log_det(covariance(u), ridge: 0.01)", "collapse-rewarded"),
        ("(0 - log_det(covariance(u), ridge: 0.01))", ""),
        ("mean(coding_rate(p))", "collapse-rewarded"),
        ("nuclear_norm(p)", "collapse-rewarded"),
        ("(0 - nuclear_norm(p))", ""),
        ("mean(off_diagonal(similarity(p, q)))", ""),
        ("(0 - mean(off_diagonal(similarity(p, q))))", "collapse-rewarded"),
        ("mean(square(off_diagonal(similarity(p, q))))", ""),
        ("mean(log_sum_exp(similarity(p, q) / 0.1))", ""),
        ("(0 - mean(log_sum_exp(similarity(p, q) / 0.1)))", "collapse-rewarded"),
        ("mean(log_sum_exp(similarity(detach(p), detach(q)) / 0.1))", "only-attraction"),
        ("even(softmax(u))", ""),
        ("(0 - even(softmax(u)))", "collapse-rewarded"),
    ];
    let even = "\n}\ndefine even(x: Tensor[n, d]) -> Tensor[] {
  let used = mean(x, over: first)
  sum(used * log(used + 1e-6))";
    for (term, finding) in pulled {
        let even = if term.contains("even") { even } else { "" };
        let found = found_of(&format!("minimize mean_squared(u, v) + {term}{even}"));
        let wanted: Vec<_> = [finding].into_iter().filter(|own| !own.is_empty()).collect();
        assert_eq!(found, wanted, "{term}");
    }
    // Two sides that differ keep them apart, and scores that rise are no likeness.
    let meant =
        "let predictor = mlp(hidden: 16, out: 32)\n  minimize cosine_distance(predictor(u), ";
    assert_eq!(found_of(&format!("{meant}target(b)) - narrowness(u)")), [""; 0]);
    assert_eq!(found_of("minimize -mean(log_sum_exp(u)) + mean(square(v))"), [""; 0]);
    // The middles of views are no statistic of a batch.
    let middles = "nuclear_norm(mean(chunk(concat(p, q), parts: 2), over: first))";
    assert_eq!(found_of(&format!("minimize -{middles}")), [""; 0]);
    assert_eq!(found_of(&format!("minimize {middles}")), ["collapse-rewarded"]);
}

/// A row is neither one of those that it is told from, nor its own positive.
#[test]
fn rows_are_not_compared_with_themselves() {
    let judged = [
        ("mean(log_sum_exp(similarity(z, z) / 0.5)) - mean(dot(p, q) / 0.5)", true),
        ("mean(log_sum_exp(similarity(z / 0.5, detach(z)))) - mean(dot(p, q) / 0.5)", true),
        (
            "mean(log_sum_exp(concat_columns(similarity(p, p), similarity(p, q)) / 0.5)) - mean(dot(p, q) / 0.5)",
            true,
        ),
        ("mean(log_sum_exp(off_diagonal(similarity(z, z)) / 0.5)) - mean(dot(p, q) / 0.5)", false),
        ("mean(log_sum_exp(off_diagonal(similarity(z, z)) / 0.5)) - mean(dot(z, z) / 0.5)", true),
        (
            "mean(log_sum_exp(off_diagonal(similarity(z, z)) / 0.5)) - mean(dot(z, concat(q, p)) / 0.5)",
            false,
        ),
        (
            "mean(log_sum_exp(off_diagonal(similarity(z, z)) / 0.5)) - mean(dot(z, concat(p, q)) / 0.5)",
            true,
        ),
        // The diagonal of a potential is a constant, and of relations it is in both.
        ("log(mean(exp(4 * similarity(p, p) - 4))) + mean_squared(p, q)", false),
        ("log_sum_exp(4 * similarity(p, p), over: all) + mean_squared(p, q)", false),
        (
            "soft_cross_entropy(similarity(p, p) / 0.1, softmax(similarity(target(a), target(a)))) + nt_xent(p, q)",
            false,
        ),
        // So is that of the lengths in a distance.
        ("mean_squared(p, q) + log(mean(exp(similarity(p, p) - sum(p * p, over: last))))", false),
        ("mean(log_sum_exp(similarity(p, q) / 0.5) - diagonal(similarity(p, q) / 0.5))", false),
    ];
    for (minimized, is_told) in judged {
        let found = found_of(&format!("let z = concat(p, q)\n  minimize {minimized}"));
        assert_eq!(found.contains(&"row-against-itself"), is_told, "{minimized}: {found:?}");
    }
}

/// A logarithm has been taken, or there is nothing to choose among.
#[test]
fn logarithms_and_softmaxes_are_taken_once() {
    let judged = [
        ("-mean(diagonal(log(log_softmax(s))))", "logarithm-of-logarithms"),
        ("-mean(log(diagonal(log_softmax(s)) / 2))", "logarithm-of-logarithms"),
        ("-mean(log(diagonal(softmax(s))))", ""),
        ("mean(log(1 - diagonal(log_softmax(s))))", ""),
        ("mean(log(-diagonal(log_softmax(s))))", ""),
        ("-mean(diagonal(log_softmax(log_softmax(s))))", "softmax-twice"),
        ("-mean(diagonal(log_softmax(log_softmax(s), temperature: 0.5)))", ""),
        ("mean(log_sum_exp(log_softmax(s))) - mean(diagonal(s))", "softmax-twice"),
        ("nt_xent(p, q) - mean(log_softmax(column(dot(p, q)) / 0.1))", "softmax-of-one"),
    ];
    for (minimized, finding) in judged {
        let found = found_of(&format!("let s = similarity(p, q) / 0.5\n  minimize {minimized}"));
        let wanted: Vec<_> = [finding].into_iter().filter(|own| !own.is_empty()).collect();
        assert_eq!(found, wanted, "{minimized}");
    }
}

/// Queues hold what a slow average has made, and negatives are of other images.
#[test]
fn negatives_fit_each_other_and_are_of_other_images() {
    const LEARNER: &str = "queue-of-the-learner";
    const OWN: &str = "positive-among-negatives";
    let judged = [
        ("info_nce(p, k, negatives: fifo(k, size: 1024))", ""),
        ("info_nce(p, k, negatives: fifo(p, size: 1024))", LEARNER),
        ("info_nce(p, q, negatives: fifo(q, size: 1024))", LEARNER),
        ("info_nce(p, q, negatives: concat(fifo(q, size: 1024), fifo(q, size: 512)))", LEARNER),
        // Beside the batch it is a memory of more, and neighbours are found in it.
        ("info_nce(p, q, negatives: fifo(q, size: 1024)) + nt_xent(p, q)", ""),
        ("batch_info_nce(gather(m, nearest(p, among: m)), q)", ""),
        ("info_nce(p, k, negatives: concat(fifo(k, size: 1024), l))", OWN),
        ("info_nce(p, k, negatives: concat(fifo(k, size: 1024), fifo(l, size: 1024)))", ""),
    ];
    for (minimized, finding) in judged {
        let found = found_of(&format!(
            "let k = normalize(target(b))
  let l = normalize(target(a))
  let m = fifo(p, size: 1024)
  minimize {minimized}"
        ));
        let wanted: Vec<_> = [finding].into_iter().filter(|own| !own.is_empty()).collect();
        assert_eq!(found, wanted, "{minimized}");
    }
    // A view of its own may be meant to be told apart.
    let third = MOCO
        .replace("given views a, b", "given views a, b, c")
        .replace("fifo(k, size: queue)", "concat(fifo(k, size: queue), normalize(key(c)))");
    assert_eq!(names(&text(&training(&third, "own(backbone)"))), [""; 0]);
}

/// A slip in an objective, and what is found at which text.
#[test]
fn one_slip_gets_one_finding() {
    let slips: &[(&str, &str, &str, &str, &str)] = &[
        (
            BYOL,
            "predictor(online(a))",
            "online(a)",
            "only-attraction",
            "cosine_distance(online(a), target(b))",
        ),
        (BYOL, "momentum: momentum", "momentum: 1", "momentum-at-the-edge", "1"),
        (BYOL, "0.996", "0.0", "momentum-at-the-edge", "0.0"),
        (BYOL, "0.996", "0.004", "momentum-at-the-edge", "0.004"),
        (
            BYOL,
            "momentum: momentum",
            "momentum: cosine(from: 0.01, to: 0.001)",
            "momentum-at-the-edge",
            "cosine(from: 0.01, to: 0.001)",
        ),
        (BELOW, "told / 0.2", "told / 0.1 / 0.1", "unusual-temperature", "0.1"),
        (
            BYOL,
            "momentum: momentum",
            "momentum: cosine(from: 0.99)",
            "momentum-at-the-edge",
            "cosine(from: 0.99)",
        ),
        (SIMSIAM, "detach(v)", "v", "only-attraction", "cosine_distance(predictor(u), v)"),
        (
            SIMSIAM,
            "cosine_distance(predictor(v), detach(u))",
            "mean_squared(u, v)",
            "only-attraction",
            "mean_squared(u, v)",
        ),
        (MOCO, "normalize(query(a))", "query(a)", "features-not-normalized", "query(a)"),
        (MOCO, "normalize(key(a))", "key(a)", "features-not-normalized", "key(a)"),
        (MOCO, "2048", "8192", "queue-larger-than-data", "8192"),
        (MOCO, "t: Float > 0 = 0.2", "t: Float > 0 = 7.0", "unusual-temperature", "7.0"),
        (
            MOCO,
            "normalize(key(b))",
            "normalize(key(a))",
            "same-view",
            "info_nce(p, k, negatives: fifo(k, size: queue), temperature: t)",
        ),
        (
            MOCO,
            "info_nce(p, k, negatives: fifo(k, size: queue), temperature: t)\n         +",
            "0 - info_nce(p, k, negatives: fifo(k, size: queue), temperature: t)\n         -",
            "only-repulsion",
            "info_nce(p, k, negatives: fifo(k, size: queue), temperature: t)",
        ),
        (
            SIMCLR,
            "minimize nt_xent",
            "minimize 0.0 - nt_xent",
            "only-repulsion",
            "nt_xent(normalize(network(a)), normalize(network(b)), temperature: t)",
        ),
        (
            SIMSIAM,
            "(cosine_distance(predictor(u), detach(v)) + cosine_distance(predictor(v), detach(u))) / 2",
            "mean(dot(normalize(predictor(u)), detach(normalize(v))))",
            "only-repulsion",
            "dot(normalize(predictor(u)), detach(normalize(v)))",
        ),
        (SIMCLR, "views a, b", "views a, b, c", "unused-view", "own(backbone)"),
        (
            SIMCLR,
            "normalize(network(b))",
            "normalize(network(a))",
            "same-view",
            "nt_xent(normalize(network(a)), normalize(network(a)), temperature: t)",
        ),
        (
            BELOW,
            "but_last_rows(rows, count: 3)",
            "last_rows(rows, count: 1)",
            "same-view",
            "dot(told / 0.2, below)",
        ),
        (
            MOCO,
            "fifo(k, size: queue)",
            "concat(fifo(k, size: queue), detach(k))",
            "positive-among-negatives",
            "info_nce(p, k, negatives: concat(fifo(k, size: queue), detach(k)), temperature: t)",
        ),
        (
            SIMCLR,
            "nt_xent(normalize(network(a)), normalize(network(b)), temperature: t)",
            "mean(row_loss(similarity(normalize(network(a)), normalize(network(b))) / t))
}
define row_loss(s: Tensor[n, n]) -> Tensor[n] {
  0.0 - diagonal(s - log(sum(exp(s), over: last)))",
            "rows-for-columns",
            "s - log(sum(exp(s), over: last))",
        ),
        (
            SIMCLR,
            "nt_xent(normalize(network(a)), normalize(network(b)), temperature: t)",
            "soft_cross_entropy(softmax(network(a)), softmax(network(b), temperature: t))",
            "softmax-twice",
            "soft_cross_entropy(softmax(network(a)), softmax(network(b), temperature: t))",
        ),
        (
            TWO_ENCODERS,
            "normalize(right(b))",
            "detach(normalize(right(b)))",
            "untrained-network",
            "convnet(width: 8)",
        ),
    ];
    let mut misjudged = Vec::new();
    for (define, from, to, finding, place) in slips {
        let slip = define.replace(from, to);
        assert_ne!(slip, **define, "{from}");
        let found = text(&training(&slip, "own(backbone)"));
        let own = found.diagnostics.iter().find(|own| own.finding.name == *finding);
        let written = own.and_then(|own| own.place()).map(|place| found.sources.text(place));
        if written != Some(place) {
            misjudged.push(format!("{to}: {:?} at {written:?}", names(&found)));
        }
    }
    assert!(misjudged.is_empty(), "{}", misjudged.join("\n"));
}

/// Numbers are blamed where a user wrote them, and judged with what stands around them.
#[test]
fn settings_are_judged_together() {
    let program = training(SIMCLR, "own(backbone)");
    let judged = |from: &str, to: &str| -> Vec<(&'static str, String)> {
        let changed = program.replace(from, to);
        assert_ne!(changed, program, "{from}");
        let found = text(&changed);
        let place = |own: &cpipe::diagnostics::Diagnostic| {
            own.place().map(|place| found.sources.text(place).to_owned()).unwrap_or_default()
        };
        found.diagnostics.iter().map(|own| (own.finding.name, place(own))).collect()
    };
    let one = |name: &'static str, place: &str| vec![(name, place.to_owned())];
    assert_eq!(judged("lr: 0.06", "lr: 60.0"), one("unusual-learning-rate", "60.0"));
    assert_eq!(judged("lr: 0.06", "lr: 1e-5"), one("unusual-learning-rate", "1e-5"));
    // The most that the schedule makes of it.
    let scheduled = |schedule: &str| {
        judged("length: 2 epochs", &format!("schedule: {schedule}, length: 2 epochs"))
    };
    assert_eq!(
        scheduled("cosine(from: 0.001)"),
        one("unusual-learning-rate", "cosine(from: 0.001)")
    );
    assert_eq!(scheduled("cosine(from: 0.0)"), one("unusual-learning-rate", "cosine(from: 0.0)"));
    assert_eq!(scheduled("constant(value: 0.5)"), []);
    // The same rate for another batch.
    assert_eq!(judged("lr: 0.06", "lr: 6.0"), []);
    assert_eq!(
        judged(
            "lr: 0.06, momentum: 0.9), length: 2 epochs, batch: 256",
            "lr: 6.0), length: 2 epochs, batch: 16"
        ),
        one("unusual-learning-rate", "6.0")
    );
    assert_eq!(judged("momentum: 0.9", "momentum: 1.0"), one("momentum-at-the-edge", "1.0"));
    assert_eq!(judged("sgd(lr: 0.06, momentum: 0.9)", "adamw()"), []);
    assert_eq!(
        judged("sgd(lr: 0.06, momentum: 0.9)", "adam(lr: 0.5)"),
        one("unusual-learning-rate", "0.5")
    );
    // Rates and decays that are in use, each with its optimizer: of `lars` those of SimCLR and BYOL,
    // of `lamb` that of its authors for 32 768 images.
    for optimizer in [
        "sgd(lr: 0.06, weight_decay: 5e-3)",
        "adamw(weight_decay: 0.5)",
        "lars(lr: 0.3)",
        "lars(lr: 0.2, weight_decay: 1.5e-6)",
        "lamb(lr: 0.04, clip: 1.0)",
    ] {
        assert_eq!(judged("sgd(lr: 0.06, momentum: 0.9)", optimizer), [], "{optimizer}");
    }
    for (optimizer, found, place) in [
        ("lars(lr: 1e-3)", "unusual-learning-rate", "1e-3"),
        ("lars(lr: 0.3, weight_decay: 0.1)", "unusual-weight-decay", "0.1"),
        ("lars(lr: 0.3, momentum: 1.0)", "momentum-at-the-edge", "1.0"),
        ("sgd(lr: 0.06, nesterov: true)", "momentum-at-the-edge", "true"),
        ("lamb(lr: 0.3)", "unusual-learning-rate", "0.3"),
        ("lamb(weight_decay: 5.0)", "unusual-weight-decay", "5.0"),
    ] {
        assert_eq!(judged("sgd(lr: 0.06, momentum: 0.9)", optimizer), one(found, place));
    }
    assert_eq!(judged("batch: 256", "batch: 1000"), [], "96 of 4096 are left out");
    assert_eq!(
        judged("length: 2 epochs", "schedule: cosine(warmup: 1 epochs), length: 2 epochs"),
        []
    );
    let head = "\n  }\n  finetune tuned {
    encoder: base.encoder, head: linear(), data: shapes().train, views: moco_v2_crops(size: 32)
    train: head, optimizer: sgd(lr: 30.0), length: 1 epochs, batch: 256";
    let probed = program.replacen(
        ", length: 2 epochs, batch: 256",
        &format!(", length: 2 epochs, batch: 256{head}"),
        1,
    );
    assert_eq!(names(&text(&probed)), [""; 0], "a rate of a linear classifier");
    assert_eq!(
        names(&text(&probed.replace("train: head", "train: all"))),
        ["unusual-learning-rate"]
    );
    let coarse = "resnet18(width: 4)";
    let found = program
        .replace("encoders.convnet", "encoders.resnet18")
        .replace("convnet(width: 16)", coarse);
    let found = text(&found);
    assert_eq!(names(&found), ["features-too-coarse"]);
    assert_eq!(found.diagnostics[0].place().map(|place| found.sources.text(place)), Some(coarse));
    let pieces = |grid: usize| {
        let found = training(
            "define own(encoder: Encoder) -> Objective {
  let classifier = linear(out: 4)
  given view a
  let logits = classifier(encoder(pieces(a, grid: GRID)))
  minimize cross_entropy(logits, labels: random_labels(logits, classes: 4))
}"
            .replace("GRID", &grid.to_string())
            .as_str(),
            "own(backbone)",
        );
        names(&text(&found))
    };
    assert_eq!(pieces(2), [""; 0]);
    assert_eq!(pieces(40), ["out-of-range"]);
    // Of 32 pixels two are left out.
    assert_eq!(pieces(5), ["patches-leave-a-rest"]);
    let shuffled = |views: &str| {
        let found = program
            .replace("augment.moco_v2_crops", "augment.{moco_v2_crops, shuffle_pieces}")
            .replace("moco_v2_crops(size: 32)", views);
        names(&text(&found))
    };
    let cut = |size, grid| format!("moco_v2_crops(size: {size}) >> shuffle_pieces(grid: {grid})");
    assert_eq!(shuffled(&cut(32, 2)), [""; 0]);
    assert_eq!(shuffled(&cut(28, 3)), [""; 0]);
    assert_eq!(shuffled(&cut(32, 3)), ["patches-leave-a-rest"]);
    assert!(shuffled("shuffle_pieces(grid: 3)").contains(&"patches-leave-a-rest"));
    let patches = |own: &str| {
        let found = program
            .replace("encoders.convnet", "encoders.vit_tiny")
            .replace("convnet(width: 16)", own)
            .replace("sgd(lr: 0.06, momentum: 0.9)", "adamw(lr: 0.001)");
        text(&found).diagnostics.iter().map(|found| found.finding.name).collect::<Vec<_>>()
    };
    assert_eq!(patches("vit_tiny(patch: 8, size: 32)"), [""; 0]);
    assert_eq!(patches("vit_tiny(patch: 8, size: 64)"), [""; 0]);
    assert_eq!(patches("vit_tiny(patch: 5, size: 30)"), ["patches-leave-a-rest"]);
    assert_eq!(patches("vit_tiny(patch: 5, size: 32)"), ["out-of-range"]);
}

/// A schedule belongs to a training of its length.
#[test]
fn schedules_end_with_the_training() {
    let found = |optimizer: &str, schedule: &str| {
        let program = training(SIMCLR, "own(backbone)").replace(
            "optimizer: sgd(lr: 0.06, momentum: 0.9)",
            &format!("optimizer: {optimizer}, schedule: {schedule}"),
        );
        names(&text(&program))
    };
    let sgd = "sgd(lr: 0.06, momentum: 0.9)";
    assert_eq!(found(sgd, "ramp(from: 1.0, to: 0.0)"), [""; 0]);
    assert_eq!(found(sgd, "ramp(from: 1.0, to: 0.0, over: 2 epochs)"), [""; 0]);
    assert_eq!(found(sgd, "ramp(from: 1.0, to: 0.0, over: 3 epochs)"), ["unfinished-schedule"]);
    assert_eq!(found(sgd, "step(every: 1 epochs)"), [""; 0]);
    assert_eq!(found(sgd, "step(every: 30 epochs)"), ["unfinished-schedule"]);
    let decayed = |decay: &str| found(&format!("adamw(weight_decay: {decay})"), "cosine()");
    assert_eq!(decayed("cosine(from: 0.04, to: 0.4)"), [""; 0]);
    assert_eq!(decayed("ramp(from: 0.04, to: 0.4, over: 9 epochs)"), ["unfinished-schedule"]);
    assert_eq!(decayed("cosine(from: 0.04, to: 40.0)"), ["unusual-weight-decay"]);
    assert_eq!(decayed("cosine(from: 0.04, warmup: 2 epochs)"), ["warmup-too-long"]);
}

/// What may look like more than is to be seen, and is not.
#[test]
fn what_is_judged_may_have_seen_it() {
    let tuned = |pretrained: &str, tuned: &str| {
        let program = training(SIMCLR, "own(backbone)");
        let more = format!(
            "  finetune tuned {{
    encoder: base.encoder, head: linear(), data: {tuned}, views: moco_v2_crops(size: 32)
    optimizer: sgd(lr: 0.03), length: 1 epochs, batch: 256
  }}
  evaluate accuracy {{ model: tuned.model, protocol: top1(), on: shapes().test }}
}}
"
        );
        let program = program.trim_end().strip_suffix('}').expect("a pipeline ends so");
        let program = program.replace("shapes().train.unlabeled", pretrained);
        names(&text(&format!("{program}{more}")))
    };
    // Images without their labels, of more examples than are tuned on.
    let images = "shapes().train.unlabeled";
    assert_eq!(tuned(images, "shapes().train.sample(25%)"), [""; 0]);
    assert_eq!(tuned(images, "shapes(train: 512).train"), [""; 0]);
}

/// What is called like an operation, and cannot be taken for it.
#[test]
fn names_that_nobody_calls_hide_nothing() {
    let unread = SIMCLR
        .replace("encoder: Encoder, t:", "encoder: Encoder, step: Int > 0 = 32, t:")
        .replace("out: 32", "out: step")
        .replace(
            "minimize nt_xent(",
            "let mean = mean(network(a))\n  report mean = mean\n  minimize nt_xent(",
        );
    assert_eq!(names(&text(&training(&unread, "own(backbone)"))), [""; 0], "{unread}");
}

/// Batch norms see parts and groups by themselves.
#[test]
fn batch_norms_see_more_than_a_few_images() {
    let grouped = |groups: usize| {
        format!(
            "define own(encoder: Encoder) -> Objective {{
  let network = encoder >> mlp(hidden: 64, out: 32)
  let grouped = grouped_norm(network, groups: {groups})
  given views a, b
  minimize nt_xent(normalize(grouped(a)), normalize(network(b)), temperature: 0.5)
}}"
        )
    };
    let found = |source: &str| names(&text(source));
    let accumulated = |parts: usize| {
        let batch = format!("batch: 256, accumulate: {parts}");
        training(SIMCLR, "own(backbone)").replace("batch: 256", &batch)
    };
    for (parts, is_told) in [(256, true), (64, true), (32, false), (1, false)] {
        let wanted: &[&str] = if is_told { &["norm-of-few"] } else { &[] };
        assert_eq!(found(&accumulated(parts)), wanted, "{parts}");
    }
    // One that normalises each image by itself sees nothing of the others.
    let alone = accumulated(64).replace("std.encoders.convnet", "std.encoders.vit_tiny");
    assert_eq!(
        found(&alone.replace("convnet(width: 16)", "vit_tiny(patch: 4, size: 32)")),
        [""; 0]
    );
    assert_eq!(found(&training(&grouped(64), "own(backbone)")), ["norm-of-few"]);
    assert_eq!(found(&training(&grouped(32), "own(backbone)")), [""; 0]);
    // What is proposed leaves enough, and divides.
    let helped = |source: &str| {
        let found = text(source).diagnostics;
        found.iter().find_map(|own| own.help.clone()).unwrap_or_default()
    };
    assert_eq!(helped(&accumulated(256)), "`accumulate: 32` leaves each 8 or more");
    let both =
        training(&grouped(48), "own(backbone)").replace("batch: 256", "batch: 96, accumulate: 4");
    assert_eq!(helped(&both), "`groups: 12` leaves each 8 or more");
}

/// What looks at no class is taken of any images; a classifier is not judged on its own.
#[test]
fn what_looks_at_no_class_may_be_of_training_images() {
    let judged = |protocol: &str| {
        let stage = format!(
            "  evaluate seen {{ model: base.encoder, protocol: {protocol}, on: shapes().train }}\n}}\n"
        );
        let text = training(SIMCLR, "own(backbone)");
        text.trim_end().trim_end_matches('}').to_owned() + &stage
    };
    assert_eq!(names(&text(&judged("rank_me()"))), [""; 0]);
    assert_eq!(names(&text(&judged("uniformity()"))), [""; 0]);
    let tuned = judged("top1()").replace("base.encoder", "tuned.model").replace(
        "  evaluate seen",
        "  finetune tuned {
    encoder: base.encoder, head: linear(), data: shapes().train
    views: moco_v2_crops(size: 32)
    optimizer: sgd(lr: 0.03), length: 2 epochs, batch: 128
  }
  evaluate seen",
    );
    assert_eq!(names(&text(&tuned)), ["judged-on-training-examples"]);
}
