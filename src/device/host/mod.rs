//! What is computed on the processor itself, in Rust, whatever backend holds the tensors.

mod batch_norm;
mod convolution;
mod functions;
mod lanes;
mod many;
mod maps;
mod products;
mod threads;
mod windows;

pub use functions::{
    HostTensor, Normalized, batch_norm, batch_norm_backward, batch_norm_fixed,
    channels_last_strides, convolution, convolution_backward, descend_many, lerp_many,
};
pub use threads::Threads;

#[cfg(test)]
mod tests;
