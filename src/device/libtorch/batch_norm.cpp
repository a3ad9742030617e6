// Batch normalisation with what follows it, the addition of a shortcut and a ReLU.

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/ops/_batch_norm_impl_index.h>
#include <ATen/ops/_batch_norm_impl_index_backward.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/threshold_backward.h>

#include "guarded.h"

namespace {

using cpipe::guarded;
using cpipe::owned;

void follow(const at::Tensor &output, const at::Tensor *shortcut, bool relu) {
  if (shortcut != nullptr)
    output.add_(*shortcut);
  if (relu)
    output.relu_();
}

// Groups are channels of a batch that is as many times smaller.
std::vector<int64_t> by_groups(const at::Tensor &x, int64_t groups) {
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes[0] /= groups;
  sizes[1] *= groups;
  return sizes;
}

// Of a tensor `[channels]`, one for each group.
at::Tensor repeated(const at::Tensor &x, int64_t groups) {
  return groups == 1 ? x : x.repeat({groups});
}

} // namespace

extern "C" {

// Normalises each group of rows of `x` by itself, and adds a shortcut, if there is one. Made are
// the output, mean and one over the deviation, `[groups * channels]`, and what the implementation
// of libtorch, whose number is told, keeps for the way back.
char *cpipe_batch_norm(at::Tensor *made[4], int64_t *implementation, const at::Tensor *x,
                       const at::Tensor *scale, const at::Tensor *shift, const at::Tensor *shortcut,
                       int64_t groups, bool relu, double epsilon) {
  return guarded([&] {
    auto [output, mean, deviation, kept, index] = at::_batch_norm_impl_index(
        x->reshape(by_groups(*x, groups)), repeated(*scale, groups), repeated(*shift, groups),
        std::nullopt, std::nullopt, true, 0.0, epsilon, true);
    output = output.reshape(x->sizes());
    follow(output, shortcut, relu);
    made[0] = owned(output);
    made[1] = owned(mean);
    made[2] = owned(deviation);
    made[3] = owned(kept);
    *implementation = index;
  });
}

// Normalises `x` by the given mean and variance, and adds a shortcut, if there is one. There is no
// way back.
char *cpipe_batch_norm_fixed(at::Tensor *made[1], const at::Tensor *x, const at::Tensor *scale,
                             const at::Tensor *shift, const at::Tensor *mean,
                             const at::Tensor *variance, const at::Tensor *shortcut, bool relu,
                             double epsilon) {
  return guarded([&] {
    const at::Tensor output =
        at::batch_norm(*x, *scale, *shift, *mean, *variance, false, 0.0, epsilon, true);
    follow(output, shortcut, relu);
    made[0] = owned(output);
  });
}

// The gradients by `x`, by scale, by shift and by the shortcut, where there is one. `kept` and
// `implementation`, mean and deviation are what the way forward has made; its output is read behind
// a ReLU alone.
char *cpipe_batch_norm_backward(at::Tensor *made[4], int64_t implementation,
                                const at::Tensor *gradient, const at::Tensor *x,
                                const at::Tensor *output, const at::Tensor *scale,
                                const at::Tensor *mean, const at::Tensor *deviation,
                                const at::Tensor *kept, int64_t groups, bool relu,
                                bool has_shortcut, double epsilon, bool by_x) {
  return guarded([&] {
    const at::Tensor passed = relu ? at::threshold_backward(*gradient, *output, 0) : *gradient;
    const std::vector<int64_t> sizes = by_groups(*x, groups);
    const at::Tensor own = x->reshape(sizes);
    // cuDNN wants both in one order.
    const at::MemoryFormat order = own.suggest_memory_format();
    auto [x_gradient, scale_gradient, shift_gradient] = at::_batch_norm_impl_index_backward(
        implementation, own.contiguous(order), passed.reshape(sizes).contiguous(order),
        repeated(*scale, groups),
        std::nullopt, std::nullopt, *mean, *deviation, true, epsilon, {by_x, true, true}, *kept);
    const auto added = [&](const at::Tensor &own) {
      return groups == 1 ? own : own.reshape({groups, -1}).sum(0);
    };
    made[0] = by_x ? owned(x_gradient.reshape(x->sizes())) : nullptr;
    made[1] = owned(added(scale_gradient));
    made[2] = owned(added(shift_gradient));
    made[3] = has_shortcut ? owned(passed) : nullptr;
  });
}
}
