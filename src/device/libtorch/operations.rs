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

    /// Output, and of each channel of each group the mean, and one over the square root of variance
    /// and epsilon.
    fn batch_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        how: BatchNorm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The same, with a shortcut added before what is below zero is left out.
    fn batch_norm_onto(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        how: BatchNorm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

type Statistics = (TchTensor, TchTensor, TchTensor);

impl Operations for LibTorch {
    fn convolution(x: TchTensor, weight: TchTensor, stride: usize, padding: usize) -> TchTensor {
        convolve(&x, &weight, [stride, padding])
    }

    fn batch_norm(x: TchTensor, scale: TchTensor, shift: TchTensor, how: BatchNorm) -> Statistics {
        let in_place = x.can_mut();
        let (output, made) = normalize(x, [scale, shift], None, (how, in_place));
        (output, made.mean, made.deviation)
    }

    fn batch_norm_onto(
        x: TchTensor,
        scale: TchTensor,
        shift: TchTensor,
        shortcut: TchTensor,
        how: BatchNorm,
    ) -> Statistics {
        let in_place = x.can_mut();
        let (output, made) = normalize(x, [scale, shift], Some(shortcut), (how, in_place));
        (output, made.mean, made.deviation)
    }
}

fn convolve(x: &TchTensor, weight: &TchTensor, options: [usize; 2]) -> TchTensor {
    TchTensor::new(functions::convolution(&x.tensor, &weight.tensor, options))
}

/// The output, and what the way back needs.
fn normalize(
    x: TchTensor,
    [scale, shift]: [TchTensor; 2],
    shortcut: Option<TchTensor>,
    (how, in_place): (BatchNorm, bool),
) -> (TchTensor, Normalized) {
    let parts = [&scale.tensor, &shift.tensor];
    let onto = shortcut.as_ref().map(|own| &own.tensor);
    let functions::Normalized { output, mean, deviation, kept, implementation } =
        how.forward(&x.tensor, parts, onto, in_place);
    let output = TchTensor::from_existing(output, x.storage.clone());
    let [mean, deviation] = [mean, deviation].map(TchTensor::new);
    let kept = kept.map(TchTensor::new);
    // Without a ReLU nothing on the way back reads it.
    let rectified = how.relu.then(|| output.clone());
    let made =
        Normalized { x, scale, shift, rectified, mean, deviation, kept, implementation, how };
    (output, made)
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
        how: BatchNorm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, x_node) = x.into_parts();
        let (scale, scale_node) = scale.into_parts();
        let (shift, shift_node) = shift.into_parts();
        let (output, made) = normalize(x, [scale, shift], None, (how, false));
        let nodes = [x_node, scale_node, shift_node];
        let statistics = [&made.mean, &made.deviation].map(|own| Self::from_inner(own.clone()));
        let output = match Normalization.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(made, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        let [mean, deviation] = statistics;
        (output, mean, deviation)
    }

    fn batch_norm_onto(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        how: BatchNorm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, x_node) = x.into_parts();
        let (scale, scale_node) = scale.into_parts();
        let (shift, shift_node) = shift.into_parts();
        let (shortcut, shortcut_node) = shortcut.into_parts();
        let (output, made) = normalize(x, [scale, shift], Some(shortcut), (how, false));
        let nodes = [x_node, scale_node, shift_node, shortcut_node];
        let statistics = [&made.mean, &made.deviation].map(|own| Self::from_inner(own.clone()));
        let output = match Normalization.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(made, output),
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

/// What a batch norm has made, and of what.
#[derive(Clone, Debug)]
struct Normalized {
    x: TchTensor,
    scale: TchTensor,
    shift: TchTensor,
    /// The output behind a ReLU.
    rectified: Option<TchTensor>,
    mean: TchTensor,
    deviation: TchTensor,
    kept: Option<TchTensor>,
    implementation: i64,
    how: BatchNorm,
}

impl Backward<LibTorch, 3> for Normalization {
    type State = Normalized;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        descend(ops, gradients);
    }
}

impl Backward<LibTorch, 4> for Normalization {
    type State = Normalized;

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        descend(ops, gradients);
    }
}

/// Hands the gradient of a batch norm on: to `x`, scale, shift and, as the fourth, the shortcut.
fn descend<const N: usize>(ops: Ops<Normalized, N>, gradients: &mut Gradients) {
    let gradient = gradients.consume::<LibTorch>(&ops.node);
    let own = &ops.state;
    let made = functions::Kept {
        rectified: own.rectified.as_ref().map(|own| &own.tensor),
        mean: &own.mean.tensor,
        deviation: &own.deviation.tensor,
        kept: own.kept.as_ref().map(|own| &own.tensor),
        implementation: own.implementation,
    };
    let parts = [&own.scale.tensor, &own.shift.tensor];
    let by_x = ops.parents[0].is_some();
    let [by_x, by_scale, by_shift, by_shortcut] =
        own.how.backward(&gradient.tensor, &own.x.tensor, parts, &made, N > 3, by_x);
    let mut made = [by_x, by_scale, by_shift].map(|made| made.map(TchTensor::new)).to_vec();
    // Without a ReLU it is the gradient itself, whose memory somebody else may hold as well.
    made.push(by_shortcut.map(|own| TchTensor::from_existing(own, gradient.storage.clone())));
    for (node, made) in ops.parents.into_iter().zip(made) {
        if let (Some(node), Some(made)) = (node, made) {
            gradients.register::<LibTorch>(node.id, made);
        }
    }
}
