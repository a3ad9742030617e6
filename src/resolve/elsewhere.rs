//! Names that operations have in other places.

/// What PyTorch, JAX or TensorFlow call otherwise, and what there is for it here: the same, or what
/// its usual case is.
const NAMES: &[(&[&str], &str)] = &[
    (&["stop_gradient", "stopgrad", "no_grad"], "detach(x)"),
    (&["cat", "concatenate", "vstack"], "concat(a, b)"),
    (&["hstack"], "concat_columns(a, b)"),
    (&["topk", "top_k"], "neighbours(x, among: y, count: k)"),
    (&["argmax", "argmin"], "nearest(x, among: y)"),
    (&["std"], "sqrt(variance(x))"),
    (&["var"], "variance(x)"),
    (&["cov"], "covariance(x)"),
    (&["pow", "power"], "square(x)"),
    (&["norm"], "sqrt(sum(square(x), over: last))"),
    (&["minimum", "min", "amin"], "-max(-x, over: last)"),
    (&["maximum"], "y + relu(x - y)"),
    (&["clamp", "clip"], "low + relu(x - low) - relu(x - high)"),
    (&["mm", "bmm", "einsum"], "matmul(a, b)"),
    (&["cosine_similarity", "cos"], "similarity(normalize(a), normalize(b))"),
    (&["logsumexp"], "log_sum_exp(x)"),
    (&["kl_div", "kl_divergence"], "sum(p * (log(p) - log(q)), over: last)"),
    (&["mse", "mse_loss", "l2_loss"], "mean_squared(a, b)"),
    (&["smooth_l1_loss", "huber_loss", "huber"], "smooth_l1(a, b)"),
    (&["tanh"], "2 * sigmoid(2 * x) - 1"),
    (&["permute", "moveaxis"], "swap(x)"),
    (&["view", "ravel"], "flatten(x)"),
    (&["tile"], "repeat(x, times: k)"),
    (&["randn", "randn_like", "normal"], "noise(x)"),
    (&["randperm", "shuffle"], "gather(x, random_permutation(x))"),
    (&["rand", "uniform"], "random_uniform(x)"),
    (&["index_select"], "gather(x, rows: i)"),
    (&["slogdet", "logdet"], "log_det(x)"),
    (&["diag"], "diagonal(x)"),
    (&["trace"], "sum(diagonal(x))"),
    (&["where"], "mask * x + (1 - mask) * y"),
    (&["pairwise_distance"], "sqrt(sum(square(a - b), over: last))"),
    (&["batch_norm", "batchnorm", "bn"], "standardize(x)"),
    (&["reshape"], "chunk(x, parts: k)"),
    (&["queue", "memory"], "fifo(x, size: k)"),
    (&["momentum_encoder", "momentum_update", "moving_average"], "ema(network)"),
    (&["ones_like", "ones"], "0 * x + 1"),
    (&["zeros_like", "zeros"], "0 * x"),
    (&["block_mask", "blockwise_mask"], "left_out(random_blocks(x, side: k), count: seen)"),
    (&["linear_schedule", "linear_lr"], "ramp(from: 1.0, to: 0.0)"),
    (&["cosine_annealing", "cosine_schedule", "warmup_cosine"], "cosine(warmup: 10 epochs)"),
    (&["step_lr", "multistep", "multi_step"], "step(every: 30 epochs)"),
];

/// What there is here for what is called so elsewhere.
pub fn here(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(elsewhere, _)| elsewhere.contains(&name)).map(|(_, here)| *here)
}

#[cfg(test)]
mod tests {
    use super::NAMES;
    use crate::resolve::catalog::entries;

    #[test]
    fn what_is_offered_is_there() {
        let entries = entries();
        let is_known = |name: &str| entries.iter().any(|own| own.named.name == name);
        for (elsewhere, here) in NAMES {
            let parts: Vec<&str> = here.split('(').collect();
            let called = parts[..parts.len() - 1].iter().filter_map(|before| {
                before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()
            });
            for word in called.filter(|word| !word.is_empty()) {
                assert!(is_known(word), "`{word}`, for {elsewhere:?}");
            }
            for name in *elsewhere {
                assert!(!is_known(name), "`{name}` is a name of the library");
            }
        }
    }
}
