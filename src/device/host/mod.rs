//! What is computed on the processor itself, in Rust, whatever backend holds the tensors.

mod attention;
mod batch_norm;
mod convolution;
mod depthwise;
mod elementary;
mod functions;
mod gelu;
mod lanes;
mod layer_norm;
#[cfg(feature = "flex")]
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
pub use functions::channels_last_strides;
pub use functions::{
    HostTensor, Normalized, attention, attention_backward, batch_norm, batch_norm_backward,
    batch_norm_fixed, convolution, convolution_backward, depthwise, depthwise_backward, gelu,
    gelu_backward, layer_norm, layer_norm_backward,
};
#[cfg(feature = "flex")]
pub use many::{descend_many, lerp_many};
pub use number::Number;
pub use threads::Threads;

#[cfg(test)]
mod tests;
