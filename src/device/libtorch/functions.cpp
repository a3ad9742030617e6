// Functions of libtorch that its Rust bindings lack.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>

#include "guarded.h"

using cpipe::guarded;
using cpipe::owned;

namespace {

// Maps as the convolutions of CPUs take them without a copy: the channels of a position next to
// each other. With few channels oneDNN's way back through a 1x1 convolution by AVX2 does not end,
// or ends in wrong numbers (seen with two and four of them in PyTorch 2.9): these keep their order.
at::Tensor laid_out(const at::Tensor &x, const at::Tensor &weight) {
  const bool is_wide = weight.size(2) > 1 || (weight.size(0) % 16 == 0 && weight.size(1) % 16 == 0);
  if (!x.is_cpu())
    return x;
  return x.contiguous(is_wide ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

} // namespace

extern "C" {

void cpipe_release(char *message) { free(message); }

// The maps of `x`, padded by zeros, under `weight`.
char *cpipe_convolution(at::Tensor *made[1], const at::Tensor *x, const at::Tensor *weight,
                        int64_t stride, int64_t padding) {
  return guarded([&] {
    const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding};
    made[0] = owned(at::conv2d(laid_out(*x, *weight), *weight, std::nullopt, strides, paddings));
  });
}

// The gradients by `x` and by `weight`, where they are wanted.
char *cpipe_convolution_backward(at::Tensor *made[2], const at::Tensor *gradient,
                                 const at::Tensor *x, const at::Tensor *weight, int64_t stride,
                                 int64_t padding, bool by_x, bool by_weight) {
  return guarded([&] {
    const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding};
    const std::array<int64_t, 2> ones = {1, 1}, zeros = {0, 0};
    auto [x_gradient, weight_gradient, none] = at::convolution_backward(
        laid_out(*gradient, *weight), laid_out(*x, *weight), *weight, std::nullopt, strides,
        paddings, ones, false, zeros, 1, {by_x, by_weight, false});
    made[0] = by_x ? owned(x_gradient) : nullptr;
    // Weights, and what is kept for each of theirs, lie in the order of their sizes.
    made[1] = by_weight ? owned(weight_gradient.contiguous()) : nullptr;
  });
}

// Moves each of `count` towards the target in its place, by a share of the way.
char *cpipe_lerp_many(at::Tensor *const *averages, const at::Tensor *const *targets, size_t count,
                      double share) {
  return guarded([&] {
    std::vector<at::Tensor> moved, followed;
    for (size_t index = 0; index < count; ++index) {
      moved.push_back(*averages[index]);
      followed.push_back(*targets[index]);
    }
    at::_foreach_lerp_(moved, followed, at::Scalar(share));
  });
}
}
