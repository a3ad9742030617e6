//! Operations that libtorch has as one, as part of burn's graph of gradients.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, LibTorch, backend_extension};

use super::functions::{self, BatchNorm};

/// What networks compute on libtorch.
#[backend_extension(LibTorch, Autodiff)]
pub trait Operations: Backend {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Output, mean, and one over the square root of variance and epsilon.
    fn batch_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl Operations for LibTorch {
    fn convolution(x: TchTensor, weight: TchTensor, stride: usize, padding: usize) -> TchTensor {
        convolve(&x, &weight, [stride, padding])
    }

    fn batch_norm(
        x: TchTensor,
        scale: TchTensor,
        shift: TchTensor,
        epsilon: f64,
    ) -> (TchTensor, TchTensor, TchTensor) {
        let parts = [&scale.tensor, &shift.tensor];
        let BatchNorm { output, mean, deviation, .. } =
            functions::batch_norm(&x.tensor, parts, epsilon);
        (TchTensor::new(output), TchTensor::new(mean), TchTensor::new(deviation))
    }
}

fn convolve(x: &TchTensor, weight: &TchTensor, [stride, padding]: [usize; 2]) -> TchTensor {
    let pair = |value: usize| [value as i64; 2];
    let (stride, padding) = (pair(stride), pair(padding));
    TchTensor::new(x.tensor.conv2d(&weight.tensor, None::<tch::Tensor>, stride, padding, [1; 2], 1))
}

impl<C: CheckpointStrategy> Operations for Autodiff<LibTorch, C> {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        let options = [stride, padding];
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let output = convolve(&x, &weight, options);
        match Convolution.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight, options), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn batch_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, x_node) = x.into_parts();
        let (scale, scale_node) = scale.into_parts();
        let (shift, shift_node) = shift.into_parts();
        let parts = [&scale.tensor, &shift.tensor];
        let BatchNorm { output, mean, deviation, kept, implementation } =
            functions::batch_norm(&x.tensor, parts, epsilon);
        let [output, mean, deviation] = [output, mean, deviation].map(TchTensor::new);
        let statistics = [mean.clone(), deviation.clone()].map(Self::from_inner);
        let nodes = [x_node, scale_node, shift_node];
        let output = match Normalization.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let kept = kept.map(TchTensor::new);
                let state = Normalized { x, scale, mean, deviation, kept, implementation, epsilon };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        let [mean, deviation] = statistics;
        (output, mean, deviation)
    }
}

#[derive(Debug)]
struct Convolution;

impl Backward<LibTorch, 2> for Convolution {
    type State = (TchTensor, TchTensor, [usize; 2]);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<LibTorch>(&ops.node);
        let (x, weight, options) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let inputs = [&x.tensor, &weight.tensor];
        let made = functions::convolution_backward(&gradient.tensor, inputs, options, wanted);
        for (node, made) in ops.parents.into_iter().zip(made) {
            if let (Some(node), Some(made)) = (node, made) {
                gradients.register::<LibTorch>(node.id, TchTensor::new(made));
            }
        }
    }
}

#[derive(Debug)]
struct Normalization;

#[derive(Clone, Debug)]
struct Normalized {
    x: TchTensor,
    scale: TchTensor,
    mean: TchTensor,
    deviation: TchTensor,
    kept: Option<TchTensor>,
    implementation: i64,
    epsilon: f64,
}

impl Backward<LibTorch, 3> for Normalization {
    type State = Normalized;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<LibTorch>(&ops.node);
        let Normalized { x, scale, mean, deviation, kept, implementation, epsilon } = ops.state;
        let made = functions::batch_norm_backward(
            &gradient.tensor,
            [&x.tensor, &scale.tensor],
            [&mean.tensor, &deviation.tensor],
            (implementation, kept.as_ref().map(|kept| &kept.tensor)),
            epsilon,
            ops.parents[0].is_some(),
        );
        for (node, made) in ops.parents.into_iter().zip(made) {
            if let (Some(node), Some(made)) = (node, made) {
                gradients.register::<LibTorch>(node.id, TchTensor::new(made));
            }
        }
    }
}
