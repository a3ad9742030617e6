// Functions of libtorch that its Rust bindings lack.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/Context.h>
#include <ATen/TensorIterator.h>
#include <ATen/Version.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <torch/csrc/api/include/torch/version.h>

#include "guarded.h"

using cpipe::guarded;
using cpipe::owned;

namespace {

template <typename Pointer> std::vector<at::Tensor> listed(Pointer const *tensors, size_t count) {
  std::vector<at::Tensor> list;
  for (size_t index = 0; index < count; ++index)
    list.push_back(*tensors[index]);
  return list;
}

struct Quiet : c10::WarningHandler {
  void process(const c10::Warning &) override {}
};

// Whether GPUs round products of f32 to TF32.
bool on_tensor_cores = false;

// The same maps in the order in which tensor cores read them: else each convolution puts them in it,
// and back.
at::Tensor ordered(const at::Tensor &maps) {
  const bool last = maps.is_cuda() && (maps.scalar_type() == at::kBFloat16 || on_tensor_cores);
  return last ? maps.contiguous(at::MemoryFormat::ChannelsLast) : maps;
}

// A tensor that a device writes, and what tells that it has.
struct CopyOut {
  at::Tensor there;
  c10::Event event;
};

} // namespace

extern "C" {

void cpipe_release(char *message) { free(message); }

// The version of the headers that this was compiled with.
const char *cpipe_built_against() { return TORCH_VERSION; }

// How the libtorch that was loaded was built, which the caller gives back as a message.
char *cpipe_configuration() {
  try {
    return strdup(at::show_config().c_str());
  } catch (const std::exception &) {
    return nullptr;
  }
}

// How GPUs compute from now on: the same each time, and products of f32 rounded to TF32 or not.
char *cpipe_settle_gpus(bool tf32) {
  return guarded([&] {
    // What libtorch warns of is its own names for these, and operations that have no way to be the
    // same each time: the documentation tells which.
    static Quiet quiet;
    c10::WarningUtils::set_warning_handler(&quiet);
    // Read where cuBLAS begins.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    at::Context &context = at::globalContext();
    context.setDeterministicCuDNN(true);
    context.setBenchmarkCuDNN(false);
    context.setDeterministicAlgorithms(true, true);
    // Else all that is made to be written would be filled first.
    context.setDeterministicFillUninitializedMemory(false);
    context.setAllowTF32CuDNN(tf32);
    context.setAllowTF32CuBLAS(tf32);
    on_tensor_cores = tf32;
  });
}

// Calls `work` so many times with `data`, on libtorch's own threads.
char *cpipe_each(int64_t count, void (*work)(const void *), const void *data) {
  return guarded([&] {
    at::Tensor places = at::empty({count}, at::TensorOptions(at::kLong));
    auto iterator = at::TensorIterator::nullary_op(places);
    iterator.for_each(
        [&](char **, const int64_t *, int64_t size) {
          for (int64_t index = 0; index < size; ++index)
            work(data);
        },
        1);
  });
}

// Numbers of the processor, row-major, on their way to a GPU: in memory that stays where it is, out
// of which it reads them by itself. Out of any other it would do so while the caller waits for all
// that it was told before.
char *cpipe_bring(at::Tensor *made[1], const void *values, const int64_t *sizes, size_t rank,
                  bool is_whole, int32_t gpu) {
  return guarded([&] {
    const at::ScalarType type = is_whole ? at::kLong : at::kFloat;
    const at::Tensor own =
        at::empty(at::IntArrayRef(sizes, rank), at::TensorOptions(type).pinned_memory(true));
    memcpy(own.data_ptr(), values, own.nbytes());
    const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(gpu));
    made[0] = owned(own.to(device, type, true));
  });
}

// A copy of `x` on its way to the processor.
char *cpipe_copy_begin(void **made, const at::Tensor *x) {
  return guarded([&] {
    at::Tensor there = at::empty(x->sizes(), x->options().device(at::kCPU).pinned_memory(true));
    there.copy_(*x, true);
    auto copy = std::make_unique<CopyOut>(CopyOut{there, c10::Event(x->device().type())});
    const c10::impl::VirtualGuardImpl device(x->device().type());
    copy->event.record(device.getStream(x->device()));
    *made = copy.release();
  });
}

// Waits for it, and gives it where it is asked for. It ends in any case.
char *cpipe_copy_end(at::Tensor *made[1], void *copy) {
  return guarded([&] {
    const std::unique_ptr<CopyOut> own(static_cast<CopyOut *>(copy));
    own->event.synchronize();
    if (made != nullptr)
      made[0] = owned(own->there);
  });
}

// The maps of `x`, padded by zeros, under `weight`.
char *cpipe_convolution(at::Tensor *made[1], const at::Tensor *x, const at::Tensor *weight,
                        int64_t stride, int64_t padding) {
  return guarded([&] {
    const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding};
    made[0] = owned(at::conv2d(ordered(*x), *weight, std::nullopt, strides, paddings));
  });
}

// The gradients by `x` and by `weight`, where they are wanted.
char *cpipe_convolution_backward(at::Tensor *made[2], const at::Tensor *gradient,
                                 const at::Tensor *x, const at::Tensor *weight, int64_t stride,
                                 int64_t padding, bool by_x, bool by_weight) {
  return guarded([&] {
    const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding};
    const std::array<int64_t, 2> ones = {1, 1}, zeros = {0, 0};
    auto [x_gradient, weight_gradient, none] =
        at::convolution_backward(ordered(*gradient), ordered(*x), *weight, std::nullopt, strides,
                                 paddings, ones, false, zeros, 1, {by_x, by_weight, false});
    made[0] = by_x ? owned(x_gradient) : nullptr;
    // Weights, and what is kept for each of theirs, lie in the order of their sizes.
    made[1] = by_weight ? owned(weight_gradient.contiguous()) : nullptr;
  });
}

// The gradients of a convolution of each channel by itself, by `x`, `weight` and bias.
char *cpipe_depthwise_backward(at::Tensor **made, const at::Tensor *gradient, const at::Tensor *x,
                               const at::Tensor *weight, bool by_x) {
  return guarded([&] {
    const int64_t channels = weight->size(0), around = weight->size(2) / 2;
    const auto [own, by_weight, by_bias] = at::convolution_backward(
        *gradient, *x, *weight, at::IntArrayRef({channels}), {1, 1}, {around, around}, {1, 1}, false,
        {0, 0}, channels, {by_x, true, true});
    made[0] = by_x ? owned(own) : nullptr;
    made[1] = owned(by_weight.contiguous());
    made[2] = owned(by_bias);
  });
}

// The gradients by `x`, `scale` and `shift`. Mean and deviation of the rows are computed again.
char *cpipe_layer_norm_backward(at::Tensor **made, const at::Tensor *gradient, const at::Tensor *x,
                                const at::Tensor *scale, double epsilon) {
  return guarded([&] {
    const at::IntArrayRef shape = scale->sizes();
    const auto [output, mean, deviation] =
        at::native_layer_norm(*x, shape, *scale, std::nullopt, epsilon);
    const auto [by_x, by_scale, by_shift] = at::native_layer_norm_backward(
        *gradient, *x, shape, mean, deviation, *scale, at::zeros_like(*scale), {true, true, true});
    made[0] = owned(by_x);
    made[1] = owned(by_scale);
    made[2] = owned(by_shift);
  });
}

// Moves each of `count` towards the target in its place, by a share of the way.
char *cpipe_lerp_many(at::Tensor *const *averages, const at::Tensor *const *targets, size_t count,
                      double share) {
  return guarded([&] {
    at::_foreach_lerp_(listed(averages, count), listed(targets, count), at::Scalar(share));
  });
}

// The Euclidean norm of each of `count`, in one row.
char *cpipe_norms(at::Tensor *made[1], const at::Tensor *const *tensors, size_t count) {
  return guarded(
      [&] { made[0] = owned(at::stack(at::_foreach_norm(listed(tensors, count), 2))); });
}

// Adds to each of `count` so many times the other in its place.
char *cpipe_add_many(at::Tensor *const *owns, const at::Tensor *const *others, size_t count,
                     double factor) {
  return guarded([&] {
    at::_foreach_add_(listed(owns, count), listed(others, count), at::Scalar(factor));
  });
}

// Multiplies each of `count` by its own of the factors, or by the only one.
char *cpipe_scale_many(at::Tensor *const *owns, const at::Tensor *factors, size_t count) {
  return guarded([&] {
    if (factors->numel() == 1)
      at::_foreach_mul_(listed(owns, count), factors->reshape({}));
    else
      at::_foreach_mul_(listed(owns, count), factors->unbind(0));
  });
}

// A step of Adam for each of `count` values, with their averages: the one of that number.
char *cpipe_adam_many(at::Tensor *const *values, const at::Tensor *const *gradients,
                      at::Tensor *const *first, at::Tensor *const *second,
                      const at::Tensor *number, size_t count, double lr, double beta1,
                      double beta2, double weight_decay, double epsilon, bool decoupled) {
  return guarded([&] {
    std::vector<at::Tensor> along;
    // All of one value are read from end to end, in the same order.
    for (size_t index = 0; index < count; ++index)
      along.push_back(gradients[index]->contiguous());
    const std::vector<at::Tensor> moved = listed(values, count), m = listed(first, count),
                                  v = listed(second, count), steps(count, *number);
    if (decoupled)
      at::_fused_adamw_(moved, along, m, v, {}, steps, lr, beta1, beta2, weight_decay, epsilon, false,
                        false);
    else
      at::_fused_adam_(moved, along, m, v, {}, steps, lr, beta1, beta2, weight_decay, epsilon, false,
                       false);
  });
}

// A step of stochastic gradient descent for each of `count` values. Where `made` is not null, it is
// the first one, and gets the buffers; else `buffers` holds them, or is null without momentum.
char *cpipe_descend_many(at::Tensor **made, at::Tensor *const *values,
                         const at::Tensor *const *gradients, at::Tensor *const *buffers,
                         size_t count, double lr, double weight_decay, double momentum,
                         bool nesterov) {
  return guarded([&] {
    const std::vector<at::Tensor> moved = listed(values, count);
    std::vector<at::Tensor> along, kept;
    // All of one value are read from end to end, in the same order.
    for (size_t index = 0; index < count; ++index)
      along.push_back(gradients[index]->contiguous());
    if (made != nullptr)
      // What a first step puts there does not hang on what was there.
      for (const at::Tensor &value : moved)
        kept.push_back(at::empty_like(value));
    else if (buffers != nullptr)
      kept = listed(buffers, count);
    at::_fused_sgd_(moved, along, kept, weight_decay, momentum, lr, 0.0, nesterov, false,
                    made != nullptr);
    for (size_t index = 0; made != nullptr && index < count; ++index)
      made[index] = owned(kept[index]);
  });
}
}
