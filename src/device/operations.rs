//! Operations that a backend has as one, as part of burn's graph of gradients.

/// How a batch norm goes over its input, and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Row `i` is in group `i % groups`; each is normalised by itself.
    pub groups: usize,
    pub relu: bool,
    pub epsilon: f64,
}

/// Puts the functions of a backend into burn's graph, and defines what [`super::Kernels`] calls of
/// them, `conv2d`, `depthwise`, `batch_norm`, `batch_norm_fixed`, `layer_norm`, `gelu` and `attention`,
/// and its tensors in arrays, `native` and `array`. burn's traits are of one backend each, so that
/// this is text.
///
/// `$own` is a module of functions on the backend's own tensors, `T`:
///
/// - `convolution(&T, &T, [stride, padding]) -> T` of input and weight,
/// - `convolution_backward(&T, [&T; 2], [stride, padding], [bool; 2]) -> [Option<T>; 2]` of the
///   gradient, and those two: their gradients where they are wanted,
/// - `depthwise(&T, [&T; 2]) -> T` of input, weight and bias, and
///   `depthwise_backward(&T, [&T; 2], bool) -> [Option<T>; 3]` of the gradient, input and weight: those
///   by input, if it is wanted, weight and bias,
/// - `batch_norm(T, [T; 2], Option<T>, (BatchNorm, bool)) -> (T, Normalized)` of input, scale and
///   shift, and a shortcut; in the place of the input, where there is no way back and nobody else
///   holds it,
/// - `batch_norm_fixed(T, [T; 4], Option<T>, BatchNorm) -> T` of input, scale, shift, mean and
///   variance, and a shortcut: there is no way back,
/// - `batch_norm_backward(T, &Normalized, bool, bool) -> [Option<T>; 4]` of the gradient: those by
///   input, if it is wanted, scale, shift and shortcut, if there is one,
/// - `layer_norm(&T, [&T; 2], f64) -> T` of input, scale and shift,
/// - `layer_norm_backward(&T, [&T; 2], f64) -> [T; 3]` of the gradient, input and scale: those by
///   input, scale and shift,
/// - `gelu(&T) -> T`, `gelu_backward(&T, &T) -> T` of the gradient and the input,
/// - `attention(&T, usize, bool) -> T` of queries, keys and values of so many heads, and
///   `attention_backward(&T, &T, usize, bool) -> T` of the gradient and those.
///
/// Its `Normalized` has the fields `mean` and `deviation`: of each channel of each group the mean,
/// and one over the square root of variance and epsilon.
macro_rules! operations {
    ($Backend:ident, $Tensor:ty, $own:ident) => {
        use burn::backend::autodiff::checkpoint::base::Checkpointer;
        use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
        use burn::backend::tensor::FloatTensor;
        use burn::backend::{
            Autodiff, AutodiffBackend, Backend, Dispatch, $Backend, backend_extension,
        };
        use burn::tensor::Tensor;

        use crate::device::array::{Array, by_rank};
        use crate::device::kernels::mean_of;
        use crate::device::operations::BatchNorm;
        use crate::device::{After, FallBack, Kernels, Normalized};

        pub fn array(own: $Tensor, rank: usize) -> Array {
            by_rank!(rank, D => Tensor::<D>::from_primitive::<$Backend>(own).into())
        }

        /// The tensor of an array without a history.
        pub fn native(array: Array) -> $Tensor {
            by_rank!(array.rank(), D => {
                let tensor = array.into_tensor::<D>().try_into_primitive::<$Backend>();
                tensor.expect("a constant of the device that it is computed on")
            })
        }

        pub fn conv2d(x: Array, weight: Array, stride: usize, padding: usize) -> Array {
            let [x, weight] = [x, weight].map(|own| own.into_tensor::<4>().into_dispatch());
            let output = <Dispatch as Operations>::convolution(x, weight, stride, padding);
            Tensor::<4>::from_dispatch(output).into()
        }

        pub fn depthwise(x: Array, weight: Array, bias: Array) -> Array {
            let [x, weight] = [x, weight].map(|own| own.into_tensor::<4>().into_dispatch());
            let bias = bias.into_tensor::<1>().into_dispatch();
            let output = <Dispatch as Operations>::depthwise(x, weight, bias);
            Tensor::<4>::from_dispatch(output).into()
        }

        pub fn batch_norm(
            x: Array,
            [scale, shift]: [Array; 2],
            (groups, epsilon): (usize, f64),
            After { shortcut, relu }: After,
        ) -> Normalized {
            let how = BatchNorm { groups, relu, epsilon };
            let rank = x.rank();
            let by_rank = |own: Array| by_rank!(rank, D => own.into_tensor::<D>().into_dispatch());
            let x = by_rank(x);
            let [scale, shift] = [scale, shift].map(|own| own.into_tensor::<1>().into_dispatch());
            let (output, mean, deviation) = match shortcut.map(by_rank) {
                Some(shortcut) => {
                    <Dispatch as Operations>::batch_norm_onto(x, scale, shift, shortcut, how)
                }
                None => <Dispatch as Operations>::batch_norm(x, scale, shift, how),
            };
            let [mean, deviation] =
                [mean, deviation].map(|own| Tensor::<1>::from_dispatch(own).inner());
            let variance = deviation.square().recip() - epsilon;
            // Below zero is what rounding takes from a channel that is constant.
            let [mean, variance] =
                [mean, variance.clamp_min(0.0)].map(|own| mean_of(own, groups));
            let output = by_rank!(rank, D => Tensor::<D>::from_dispatch(output).into());
            Normalized { output, mean, variance }
        }

        pub fn batch_norm_fixed(
            x: Array,
            [scale, shift]: [Array; 2],
            [mean, variance]: [Array; 2],
            epsilon: f64,
            after: After,
        ) -> Array {
            let parts = [scale, shift, mean, variance];
            let all = parts.iter().chain([&x]).chain(&after.shortcut);
            if all.into_iter().any(Array::is_tracked) {
                let [scale, shift, mean, variance] = parts;
                let (parts, fixed) = ([scale, shift], [mean, variance]);
                return FallBack.batch_norm_fixed(x, parts, fixed, epsilon, after);
            }
            let rank = x.rank();
            let (x, shortcut) = (native(x), after.shortcut.map(native));
            let how = BatchNorm { groups: 1, relu: after.relu, epsilon };
            array($own::batch_norm_fixed(x, parts.map(native), shortcut, how), rank)
        }

        pub fn layer_norm(x: Array, [scale, shift]: [Array; 2], epsilon: f64) -> Array {
            let [scale, shift] = [scale, shift].map(|own| own.into_tensor::<1>().into_dispatch());
            by_rank!(x.rank(), D => {
                let x = x.into_tensor::<D>().into_dispatch();
                let output = <Dispatch as Operations>::layer_norm(x, scale, shift, epsilon);
                Tensor::<D>::from_dispatch(output).into()
            })
        }

        pub fn gelu(x: Array) -> Array {
            by_rank!(x.rank(), D => {
                let output = <Dispatch as Operations>::gelu(x.into_tensor::<D>().into_dispatch());
                Tensor::<D>::from_dispatch(output).into()
            })
        }

        pub fn attention(qkv: Array, heads: usize, causal: bool) -> Array {
            let qkv = qkv.into_tensor::<3>().into_dispatch();
            let output = <Dispatch as Operations>::attention(qkv, heads, causal);
            Tensor::<3>::from_dispatch(output).into()
        }

        #[backend_extension($Backend, Autodiff)]
        pub trait Operations: Backend {
            fn convolution(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                stride: usize,
                padding: usize,
            ) -> FloatTensor<Self>;

            fn depthwise(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
            ) -> FloatTensor<Self>;

            /// Output, mean and deviation.
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

            fn layer_norm(
                x: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                shift: FloatTensor<Self>,
                epsilon: f64,
            ) -> FloatTensor<Self>;

            fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

            fn attention(qkv: FloatTensor<Self>, heads: usize, causal: bool) -> FloatTensor<Self>;
        }

        impl Operations for $Backend {
            fn convolution(x: $Tensor, weight: $Tensor, stride: usize, padding: usize) -> $Tensor {
                $own::convolution(&x, &weight, [stride, padding])
            }

            fn depthwise(x: $Tensor, weight: $Tensor, bias: $Tensor) -> $Tensor {
                $own::depthwise(&x, [&weight, &bias])
            }

            fn batch_norm(
                x: $Tensor,
                scale: $Tensor,
                shift: $Tensor,
                how: BatchNorm,
            ) -> ($Tensor, $Tensor, $Tensor) {
                let (output, made) = $own::batch_norm(x, [scale, shift], None, (how, true));
                (output, made.mean, made.deviation)
            }

            fn batch_norm_onto(
                x: $Tensor,
                scale: $Tensor,
                shift: $Tensor,
                shortcut: $Tensor,
                how: BatchNorm,
            ) -> ($Tensor, $Tensor, $Tensor) {
                let parts = [scale, shift];
                let (output, made) = $own::batch_norm(x, parts, Some(shortcut), (how, true));
                (output, made.mean, made.deviation)
            }

            fn layer_norm(x: $Tensor, scale: $Tensor, shift: $Tensor, epsilon: f64) -> $Tensor {
                $own::layer_norm(&x, [&scale, &shift], epsilon)
            }

            fn gelu(x: $Tensor) -> $Tensor {
                $own::gelu(&x)
            }

            fn attention(qkv: $Tensor, heads: usize, causal: bool) -> $Tensor {
                $own::attention(&qkv, heads, causal)
            }
        }

        impl<C: CheckpointStrategy> Operations for Autodiff<$Backend, C> {
            fn convolution(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                stride: usize,
                padding: usize,
            ) -> FloatTensor<Self> {
                let options = [stride, padding];
                let (x, x_node) = x.into_parts();
                let (weight, weight_node) = weight.into_parts();
                let output = $own::convolution(&x, &weight, options);
                match Convolution.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish((x, weight, options), output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                }
            }

            fn depthwise(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                let (x, x_node) = x.into_parts();
                let (weight, weight_node) = weight.into_parts();
                let (bias, bias_node) = bias.into_parts();
                let output = $own::depthwise(&x, [&weight, &bias]);
                let nodes = [x_node, weight_node, bias_node];
                match ByChannel.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish((x, weight), output),
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
                let (output, made) = $own::batch_norm(x, [scale, shift], None, (how, false));
                let nodes = [x_node, scale_node, shift_node];
                let [mean, deviation] =
                    [&made.mean, &made.deviation].map(|own| Self::from_inner(own.clone()));
                let output = match Normalization.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish(made, output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                };
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
                let parts = [scale, shift];
                let (output, made) = $own::batch_norm(x, parts, Some(shortcut), (how, false));
                let nodes = [x_node, scale_node, shift_node, shortcut_node];
                let [mean, deviation] =
                    [&made.mean, &made.deviation].map(|own| Self::from_inner(own.clone()));
                let output = match Normalization.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish(made, output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                };
                (output, mean, deviation)
            }

            fn layer_norm(
                x: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                shift: FloatTensor<Self>,
                epsilon: f64,
            ) -> FloatTensor<Self> {
                let (x, x_node) = x.into_parts();
                let (scale, scale_node) = scale.into_parts();
                let (shift, shift_node) = shift.into_parts();
                let output = $own::layer_norm(&x, [&scale, &shift], epsilon);
                let nodes = [x_node, scale_node, shift_node];
                match ByRow.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish((x, scale, epsilon), output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                }
            }

            fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
                let (x, node) = x.into_parts();
                let output = $own::gelu(&x);
                match Gelu.prepare::<C>([node]).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish(x, output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                }
            }

            fn attention(
                qkv: FloatTensor<Self>,
                heads: usize,
                causal: bool,
            ) -> FloatTensor<Self> {
                let (qkv, node) = qkv.into_parts();
                let output = $own::attention(&qkv, heads, causal);
                match Attention.prepare::<C>([node]).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish((qkv, heads, causal), output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                }
            }
        }

        #[derive(Debug)]
        struct Convolution;

        impl Backward<$Backend, 2> for Convolution {
            type State = ($Tensor, $Tensor, [usize; 2]);

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<$Backend>(&ops.node);
                let (x, weight, options) = &ops.state;
                let wanted = ops.parents.each_ref().map(Option::is_some);
                let made = $own::convolution_backward(&gradient, [x, weight], *options, wanted);
                hand_on(ops, made, gradients);
            }
        }

        #[derive(Debug)]
        struct ByChannel;

        impl Backward<$Backend, 3> for ByChannel {
            type State = ($Tensor, $Tensor);

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<$Backend>(&ops.node);
                let (x, weight) = &ops.state;
                let by_x = ops.parents[0].is_some();
                let made = $own::depthwise_backward(&gradient, [x, weight], by_x);
                hand_on(ops, made, gradients);
            }
        }

        #[derive(Debug)]
        struct Normalization;

        impl Backward<$Backend, 3> for Normalization {
            type State = $own::Normalized;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                descend(ops, gradients);
            }
        }

        impl Backward<$Backend, 4> for Normalization {
            type State = $own::Normalized;

            fn backward(
                self,
                ops: Ops<Self::State, 4>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                descend(ops, gradients);
            }
        }

        #[derive(Debug)]
        struct ByRow;

        impl Backward<$Backend, 3> for ByRow {
            type State = ($Tensor, $Tensor, f64);

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<$Backend>(&ops.node);
                let (x, scale, epsilon) = &ops.state;
                let made = $own::layer_norm_backward(&gradient, [x, scale], *epsilon);
                hand_on(ops, made.map(Some), gradients);
            }
        }

        #[derive(Debug)]
        struct Gelu;

        impl Backward<$Backend, 1> for Gelu {
            type State = $Tensor;

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<$Backend>(&ops.node);
                let made = $own::gelu_backward(&gradient, &ops.state);
                hand_on(ops, [Some(made)], gradients);
            }
        }

        #[derive(Debug)]
        struct Attention;

        impl Backward<$Backend, 1> for Attention {
            type State = ($Tensor, usize, bool);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<$Backend>(&ops.node);
                let (qkv, heads, causal) = &ops.state;
                let made = $own::attention_backward(&gradient, qkv, *heads, *causal);
                hand_on(ops, [Some(made)], gradients);
            }
        }

        /// Hands the gradient of a batch norm on: to input, scale, shift and, as the fourth, the
        /// shortcut.
        fn descend<const N: usize>(ops: Ops<$own::Normalized, N>, gradients: &mut Gradients) {
            let gradient = gradients.consume::<$Backend>(&ops.node);
            let by_x = ops.parents[0].is_some();
            let made = $own::batch_norm_backward(gradient, &ops.state, N > 3, by_x);
            hand_on(ops, made, gradients);
        }

        /// To those that wait for one.
        fn hand_on<S, const N: usize, const M: usize>(
            ops: Ops<S, N>,
            made: [Option<$Tensor>; M],
            gradients: &mut Gradients,
        ) {
            for (node, made) in ops.parents.into_iter().zip(made) {
                if let (Some(node), Some(made)) = (node, made) {
                    gradients.register::<$Backend>(node.id, made);
                }
            }
        }
    };
}

/// Within an implementation of [`super::Kernels`]: those that are operations of a module which
/// [`operations!`] has filled.
macro_rules! kernels {
    ($own:ident) => {
        fn conv2d(&self, x: Array, weight: Array, stride: usize, padding: usize) -> Array {
            $own::conv2d(x, weight, stride, padding)
        }

        fn depthwise(&self, x: Array, weight: Array, bias: Array) -> Array {
            $own::depthwise(x, weight, bias)
        }

        fn batch_norm(
            &self,
            x: Array,
            parts: [Array; 2],
            how: (usize, f64),
            after: After,
        ) -> Normalized {
            $own::batch_norm(x, parts, how, after)
        }

        fn batch_norm_fixed(
            &self,
            x: Array,
            parts: [Array; 2],
            fixed: [Array; 2],
            epsilon: f64,
            after: After,
        ) -> Array {
            $own::batch_norm_fixed(x, parts, fixed, epsilon, after)
        }

        fn gelu(&self, x: Array) -> Array {
            $own::gelu(x)
        }

        fn layer_norm(&self, x: Array, parts: [Array; 2], epsilon: f64) -> Array {
            $own::layer_norm(x, parts, epsilon)
        }

        fn attention(&self, qkv: Array, heads: usize, causal: bool) -> Array {
            $own::attention(qkv, heads, causal)
        }
    };
}
pub(crate) use {kernels, operations};
