//! What is computed on the processor itself, in Rust, whatever backend holds the tensors.

mod batch_norm;
mod convolution;
mod functions;
mod lanes;
#[cfg(feature = "flex")]
mod many;
mod maps;
mod number;
mod products;
mod threads;
mod tiled;
mod tiles;
mod windows;

#[cfg(feature = "flex")]
pub use functions::channels_last_strides;
pub use functions::{
    HostTensor, Normalized, batch_norm, batch_norm_backward, batch_norm_fixed, convolution,
    convolution_backward,
};
#[cfg(feature = "flex")]
pub use many::{descend_many, lerp_many};
pub use number::Number;
pub use threads::Threads;

#[cfg(test)]
mod tests;
