//! Right programs and, beside each, a near one that is wrong: the first is silent, the other is told.

use crate::lints::found_of;

/// What is found of what is minimized, behind some definitions.
fn judge(definitions: &str, judged: &[(&str, &str)]) {
    for (minimized, finding) in judged {
        let found = found_of(&format!("{definitions}\n  minimize {minimized}"));
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
        "let m = fifo(q, size: 512)",
        &[
            ("mean(log_sum_exp(similarity(p, concat(q, m)) / 0.2) - dot(p, q) / 0.2)", ""),
            (
                "mean(log_sum_exp(similarity(p, concat(fifo(q, size: 256), m)) / 0.2) - dot(p, q) / 0.2)",
                "queue-of-the-learner",
            ),
        ],
    );
}
