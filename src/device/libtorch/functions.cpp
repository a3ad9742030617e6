// Functions of libtorch that its Rust bindings lack.
//
// A tensor is a pointer to an `at::Tensor`, as in the bindings. Each function gives nothing, or a
// message that the caller gives back; what it makes belongs to the caller.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <tuple>
#include <vector>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_batch_norm_impl_index.h>
#include <ATen/ops/_batch_norm_impl_index_backward.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/convolution_backward.h>

namespace {

// Gradients are recorded elsewhere: libtorch does not look whether it should.
template <typename Work> char *guarded(Work work) {
  try {
    at::AutoDispatchBelowADInplaceOrView guard;
    work();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  }
}

at::Tensor *owned(const at::Tensor &tensor) {
  return tensor.defined() ? new at::Tensor(tensor) : nullptr;
}

} // namespace

extern "C" {

void cpipe_release(char *message) { free(message); }

// The gradients by `x` and by `weight`, where they are wanted.
char *cpipe_convolution_backward(at::Tensor *made[2], const at::Tensor *gradient,
                                 const at::Tensor *x, const at::Tensor *weight, int64_t stride,
                                 int64_t padding, bool by_x, bool by_weight) {
  return guarded([&] {
    const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding};
    const std::array<int64_t, 2> ones = {1, 1}, zeros = {0, 0};
    auto [x_gradient, weight_gradient, none] =
        at::convolution_backward(*gradient, *x, *weight, std::nullopt, strides, paddings, ones,
                                 false, zeros, 1, {by_x, by_weight, false});
    made[0] = by_x ? owned(x_gradient) : nullptr;
    made[1] = by_weight ? owned(weight_gradient) : nullptr;
  });
}

// The output, the mean, one over the deviation, and what the implementation keeps for the way back;
// `implementation` is which it is.
char *cpipe_batch_norm(at::Tensor *made[4], int64_t *implementation, const at::Tensor *x,
                       const at::Tensor *scale, const at::Tensor *shift, double epsilon) {
  return guarded([&] {
    auto [output, mean, deviation, kept, index] = at::_batch_norm_impl_index(
        *x, *scale, *shift, std::nullopt, std::nullopt, true, 0.0, epsilon, true);
    made[0] = owned(output);
    made[1] = owned(mean);
    made[2] = owned(deviation);
    made[3] = owned(kept);
    *implementation = index;
  });
}

// The gradients by `x`, by scale and by shift.
char *cpipe_batch_norm_backward(at::Tensor *made[3], int64_t implementation,
                                const at::Tensor *gradient, const at::Tensor *x,
                                const at::Tensor *scale, const at::Tensor *mean,
                                const at::Tensor *deviation, const at::Tensor *kept,
                                double epsilon, bool by_x) {
  return guarded([&] {
    auto [x_gradient, scale_gradient, shift_gradient] = at::_batch_norm_impl_index_backward(
        implementation, *x, *gradient, *scale, std::nullopt, std::nullopt, *mean, *deviation, true,
        epsilon, {by_x, true, true}, kept == nullptr ? at::Tensor() : *kept);
    made[0] = by_x ? owned(x_gradient) : nullptr;
    made[1] = owned(scale_gradient);
    made[2] = owned(shift_gradient);
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
