//! Right programs and, beside each, a near one that is wrong: the first is silent, the other is told.

use crate::lints::found_of;

/// What is found of what is minimized, behind some definitions.
fn judge(definitions: &str, judged: &[(&str, &str)]) {
    for (minimized, finding) in judged {
        let mut found = found_of(&format!("{definitions}\n  minimize {minimized}"));
        // What is written twice is told twice.
        found.dedup();
        let wanted: Vec<_> = [*finding].into_iter().filter(|own| !own.is_empty()).collect();
        assert_eq!(found, wanted, "{minimized}");
    }
}

const ATTRACTION: &str = "only-attraction";
const REPULSION: &str = "only-repulsion";

/// Rows of one output are those of other images where chance, or another part of the batch, has put
/// them; pushing those keeps the representations apart, and nothing else does.
#[test]
fn other_rows_of_a_view_are_other_images() {
    judge(
        "let order = random_permutation(u)
  let w = gather(u, order)
  let x = split(u, take: 0)
  let y = split(u, take: 1)
  let rolled = concat(last_rows(u, count: 1), but_last_rows(u, count: 1))",
        &[
            ("mean_squared(u, v) + mean(relu(1 - sum(square(u - w), over: last)))", ""),
            ("mean(exp(dot(p, normalize(w)))) - mean(dot(p, q))", ""),
            ("mean_squared(u, v) + mean(relu(1 - sum(square(x - y), over: last)))", ""),
            ("mean_squared(u, v) + mean(relu(1 - sum(square(u - rolled), over: last)))", ""),
            (
                "mean_squared(u, v) + mean(relu(1 - sum(square(w - gather(u, order)), over: last)))",
                ATTRACTION,
            ),
            (
                "mean_squared(u, v) + mean(relu(1 - sum(square(x - split(u, take: 0)), over: last)))",
                ATTRACTION,
            ),
            ("mean_squared(u, v) + mean(sum(square(u - w), over: last))", ATTRACTION),
        ],
    );
    // The halves of two views that follow each other are of the same images.
    judge(
        "let z = n(concat(a, b))",
        &[(
            "mean_squared(z, concat(v, u)) + mean(relu(1 - square(split(z, take: 0) - split(z, take: 1))))",
            ATTRACTION,
        )],
    );
}

/// What is far may be near: a triplet whose sides are exchanged.
#[test]
fn a_triplet_has_its_sides() {
    judge(
        "let other = gather(q, random_permutation(q))
  let near = sum(square(p - q), over: last)
  let far  = sum(square(p - other), over: last)",
        &[
            ("mean(relu(near - far + 0.5))", ""),
            ("mean(relu(far - near + 0.5))", REPULSION),
            ("mean(softplus(5 * (dot(p, other) - dot(p, q))))", ""),
            ("mean(softplus(5 * (dot(p, q) - dot(p, other))))", REPULSION),
            // Something else makes the views alike.
            ("mean(relu(far - near + 0.5)) + 2 * mean_squared(u, v)", ""),
        ],
    );
}

/// A column that is appended to the similarities is a positive only where the loss raises it.
#[test]
fn a_negative_may_be_appended() {
    const OWN: &str = "positive-among-negatives";
    judge(
        "let s = similarity(p, q)
  let r = normalize(n(0 - b))
  let mixed = normalize(q + gather(q, random_permutation(q)))",
        &[
            ("mean(log_sum_exp(concat_columns(s, column(dot(p, r))) / 0.2) - dot(p, q) / 0.2)", ""),
            (
                "mean(log_sum_exp(concat_columns(column(dot(p, detach(mixed))), s) / 0.2) - dot(p, q) / 0.2)",
                "",
            ),
            (
                "mean(log_sum_exp(concat_columns(s, column(dot(p, q))) / 0.2) - dot(p, q) / 0.2)",
                OWN,
            ),
            (
                "mean(log_sum_exp(concat_columns(s, column(dot(q, p))) / 0.2) - dot(p, q) / 0.2)",
                OWN,
            ),
        ],
    );
}

/// The entropy of what is said of one view is a term of its own; its cross entropy with itself in the
/// place of the other view's is a slip.
#[test]
fn an_entropy_is_of_one_view() {
    const SAME: &str = "same-view";
    let contrast = "nt_xent(p, q, temperature: 0.2)";
    let sums = [
        ("mean(sum(softmax(n(a)) * log_softmax(n(a)), over: last))", ""),
        ("mean(sum(softmax(n(a)) * log(softmax(n(a)) + 1e-8), over: last))", ""),
        ("mean(sum(detach(softmax(n(a))) * log_softmax(n(a)), over: last))", SAME),
    ];
    for (sum, finding) in sums {
        judge("", &[(&format!("{contrast} - {sum}"), finding)]);
    }
    let found = found_of("minimize soft_cross_entropy(n(a), softmax(n(a)))");
    assert!(found.contains(&SAME), "{found:?}");
}

/// Targets that are dealt out evenly and sharpened are so still; those that are only sharpened are
/// not.
#[test]
fn sharpened_assignments_are_even() {
    judge(
        "let classes = prototypes(count: 64)
  let s = classes(q) / 0.1",
        &[
            ("soft_cross_entropy(s, softmax(sinkhorn(classes(p)), temperature: 0.02))", ""),
            ("soft_cross_entropy(s, softmax(detach(classes(p)), temperature: 0.02))", ATTRACTION),
        ],
    );
}

/// Beside the rows of the batch, those of a queue are a memory of more, also in one product.
#[test]
fn a_queue_may_stand_beside_the_batch() {
    judge(
        "let m = fifo(q, size: 512)
  let k = normalize(target(b))",
        &[
            ("mean(log_sum_exp(similarity(p, concat(q, m)) / 0.2) - dot(p, q) / 0.2)", ""),
            (
                "mean(log_sum_exp(similarity(p, concat(fifo(q, size: 256), m)) / 0.2) - dot(p, q) / 0.2)",
                "queue-of-the-learner",
            ),
            // Those of the batch are keys of an average, which the queue's do not fit.
            (
                "mean(log_sum_exp(similarity(p, concat(k, m)) / 0.2) - dot(p, k) / 0.2)",
                "queue-of-the-learner",
            ),
        ],
    );
}

/// What is told of lengths: rows of length one and what is made of a few of them are bounded, a score
/// has no temperature, and the weights of attention are no contrast.
#[test]
fn lengths_count_under_a_temperature() {
    const LONG: &str = "features-not-normalized";
    judge(
        "let one = linear(out: 32)
  let other = linear(out: 32)
  let s = similarity(one(u), other(u))
  let middle = (p + q) / 2",
        &[
            ("mean(square(matmul(softmax(s / 5.66), v))) + nt_xent(p, q)", ""),
            (
                "mean(square(matmul(softmax(off_diagonal(s) / 5.66), but_last_rows(v, count: 1)))) + nt_xent(p, q)",
                "",
            ),
            (
                "mean(log_sum_exp(off_diagonal(similarity(middle, q)) / 0.2)) - mean(dot(p, q)) / 0.2",
                "",
            ),
            (
                "mean(log_sum_exp(off_diagonal(similarity((p + v) / 2, q)) / 0.2)) - mean(dot(p, q)) / 0.2",
                LONG,
            ),
            (
                "mean(log_sum_exp(off_diagonal(similarity(concat(middle, v), concat(q, q))) / 0.2)) - mean(dot(p, q)) / 0.2",
                LONG,
            ),
            ("mean(log_sum_exp(similarity(p, v) / 5.66) - dot(p, v) / 5.66)", LONG),
            // Weights at a temperature below one are of directions.
            ("mean(square(matmul(softmax(s / 0.1), v))) + nt_xent(p, q)", LONG),
        ],
    );
    let critic = |number: &str| {
        found_of(&format!(
            "let s = similarity(u, v) / {number}\n  minimize mean(log_sum_exp(s) - diagonal(s))"
        ))
    };
    assert_eq!(critic("5.66"), [""; 0]);
    assert!(critic("0.2").contains(&LONG));
    let read = found_of(
        "let s = similarity(u, v) / 0.2
  minimize mean(square(matmul(softmax(s), v))) + mean(log_sum_exp(s) - diagonal(s))",
    );
    assert!(read.contains(&LONG), "{read:?}");
}

/// Temperatures beyond those in use that are none, or are in use where they stand.
#[test]
fn a_number_is_a_temperature_in_its_place() {
    const FAR: &str = "unusual-temperature";
    judge(
        "let s = similarity(p, q)
  let alike = mean_squared(p, q)
  let scale = linear(out: 1, bias: false)
  let learned = mean(exp(scale(column(mean(p, over: last)))))
  let others = off_diagonal(s)",
        &[
            ("alike + mean(exp((s - 1) / 0.25)) + mean(exp(s - 1)) + mean(exp((s - 1) / 4.0))", ""),
            ("alike + mean(exp((s - 1) / 4.0))", FAR),
            ("alike + mean(exp((s - 1) / 9.0)) + mean(exp((s - 1) / 4.0))", FAR),
            (
                "alike + mean(log(sum(exp(s / 0.25), over: last)) + log(sum(exp(s / 4), over: last)))",
                FAR,
            ),
            ("mean(log_sum_exp(s * learned / 64) - diagonal(s))", ""),
            ("mean(log_sum_exp(s / 64) - diagonal(s))", FAR),
            (
                "mean(softplus(log_sum_exp(256 * (0.75 - column(dot(p, q)))) + log_sum_exp(256 * (others - 0.25))))",
                "",
            ),
            (
                "mean(softplus(log_sum_exp(2560 * (0.75 - column(dot(p, q)))) + log_sum_exp(2560 * (others - 0.25))))",
                FAR,
            ),
            ("alike + mean(log_sum_exp(256 * (others - 0.25)))", FAR),
        ],
    );
}

/// What keeps apart and is written out has its sign as well.
#[test]
fn what_is_written_out_has_its_sign() {
    const TURNED: &str = "collapse-rewarded";
    judge(
        "let alike = mean_squared(u, v)
  let c = u - mean(u, over: first)
  let deviation = sqrt(mean(square(c), over: first) + 1e-4)
  let r = random_directions(p, count: 64)
  let own = mean(exp(2 * off_diagonal(similarity(p, p)) - 2))
  let other = mean(exp(2 * similarity(p, r) - 2))",
        &[
            ("alike + mean(relu(1 - deviation)) + redundancy(u)", ""),
            ("alike + mean(relu(deviation - 1)) + redundancy(u)", TURNED),
            ("alike + mean(sum(c * c, over: first))", TURNED),
            ("alike - mean(sum(c * c, over: first))", ""),
            // Which way this goes is not known, and a mean that is read otherwise may do so as well.
            ("alike + mean(square(1 - deviation))", ""),
            ("alike + mean(relu(deviation - 1)) + mean(square(mean(u, over: first)))", ""),
            ("alike + own - 2 * other", ""),
            ("alike - (own - 2 * other)", TURNED),
            ("alike + other", ATTRACTION),
        ],
    );
    judge(
        "let m = matmul(transpose(standardize(u)), standardize(v)) / 256
  let near = sum(square(1 - diagonal(m)))",
        &[
            ("near + 0.005 * sum(square(off_diagonal(m)))", ""),
            ("near - 0.005 * sum(square(off_diagonal(m)))", TURNED),
            ("nt_xent(p, q) + 0.1 * redundancy(u)", ""),
            ("nt_xent(p, q) - 0.1 * redundancy(u)", TURNED),
            // Of rows it is not known: the likeness of different images may be to be far from zero.
            ("mean_squared(u, v) - mean(square(off_diagonal(similarity(p, q))))", ""),
        ],
    );
    judge(
        "let k = normalize(target(b))
  let s = concat_columns(column(dot(p, k)), similarity(p, fifo(k, size: 1024))) / 0.2",
        &[
            ("mean(log_sum_exp(s) - dot(p, k) / 0.2)", ""),
            ("mean(dot(p, k) / 0.2 - log_sum_exp(s))", TURNED),
        ],
    );
}

/// Views that are only drawn to their own mean are so to one answer.
#[test]
fn views_that_meet_in_their_mean_only_attract() {
    judge(
        "let each = chunk(concat(u, v), parts: 2)
  let alike = mean(square(each - mean(each, over: first)))",
        &[
            ("alike", ATTRACTION),
            ("alike + narrowness(u)", ""),
            ("alike - mean(coding_rate(p))", ""),
            ("alike + mean(off_diagonal(similarity(p, p)))", ""),
        ],
    );
}

/// A row is nearest to itself, and among those that a sum of exponentials is of.
#[test]
fn a_row_is_not_its_own_neighbour() {
    const ITSELF: &str = "row-against-itself";
    let alike = "mean_squared(p, q)";
    judge(
        "let z = concat(p, q)
  let s = similarity(z, z) / 0.5
  let m = detach(max(s, over: last))
  let positive = repeat(dot(p, q) / 0.5, times: 2)",
        &[
            (&format!("{alike} + mean(max(off_diagonal(similarity(p, p)), over: last))"), ""),
            (&format!("{alike} + mean(max(similarity(p, p), over: last))"), ITSELF),
            (&format!("{alike} - mean(log(2.01 - max(similarity(p, p), over: last)))"), ITSELF),
            (&format!("{alike} + mean(max(similarity(p, q), over: last))"), ""),
            ("mean(log(sum(exp(off_diagonal(s)), over: last)) - positive)", ""),
            ("mean(log(sum(exp(s), over: last) - exp(2.0)) - positive)", ""),
            ("mean(log(sum(exp(s), over: last)) - positive)", ITSELF),
            // The largest is taken off, and added again.
            (
                "mean(log(sum(exp(off_diagonal(transpose(transpose(s) - m))), over: last)) + m - positive)",
                "",
            ),
            ("mean(log(sum(exp(s), over: last) + 1e-6) - positive)", ITSELF),
            // In a mean over all, or of a density, it is a part that does not change.
            ("mean(log(mean(exp(s), over: last)) - positive)", ""),
            ("log(sum(exp(s))) - mean(positive)", ""),
        ],
    );
}
