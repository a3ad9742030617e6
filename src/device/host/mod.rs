//! What is computed on the processor itself, in Rust, whatever backend holds the tensors.

mod attention;
mod batch_norm;
mod convolution;
mod depthwise;
#[cfg(feature = "flex")]
mod descent;
mod elementary;
mod functions;
mod gelu;
mod lanes;
mod layer_norm;
mod many;
mod maps;
mod matrices;
mod number;
mod products;
mod threads;
mod tiled;
mod tiles;
mod windows;

#[cfg(feature = "flex")]
pub use descent::{descend_many, lerp_many};
#[cfg(feature = "flex")]
pub use functions::channels_last_strides;
pub use functions::{
    HostTensor, Normalized, attention, attention_backward, batch_norm, batch_norm_backward,
    batch_norm_fixed, convolution, convolution_backward, depthwise, depthwise_backward, gelu,
    gelu_backward, layer_norm, layer_norm_backward,
};
pub use many::{adam_many, add_many, norms, scale_many};
pub use number::Number;
pub use threads::Threads;

#[cfg(test)]
mod tests;
