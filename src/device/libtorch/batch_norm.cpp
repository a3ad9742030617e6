// Batch normalisation with what follows it, the addition of a shortcut and a ReLU, in one.
//
// On a CPU and for maps whose channels lie next to each other it reads its input twice on the way
// forward and writes once, where libtorch's three operations go over the data each for itself.
// Elsewhere it is those.
//
// Sums go over a few rows in single precision, over all of them in double and in their order: the
// number of threads changes no bit.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/TensorIterator.h>
#include <ATen/ops/_batch_norm_impl_index.h>
#include <ATen/ops/_batch_norm_impl_index_backward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/threshold_backward.h>

#include "guarded.h"

// Compiled for each kind of processor, and chosen when the program starts. Sums are of rows, each
// channel on its own, and nothing is contracted: all kinds give the same bits.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define CPIPE_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CPIPE_EACH_PROCESSOR
#endif

namespace {

using cpipe::guarded;
using cpipe::owned;

// Rows that are summed in single precision.
constexpr int64_t ROWS = 128;

// `count` images of `positions` rows of `channels` numbers; image `i` is in group `i % groups`.
struct Maps {
  int64_t count, positions, channels, groups;

  explicit Maps(const at::Tensor &x, int64_t groups)
      : count(x.size(0)), positions(x.size(2) * x.size(3)), channels(x.size(1)), groups(groups) {}

  int64_t offset(int64_t image) const { return image * positions * channels; }
  // Where the numbers of the group of an image begin, one for each channel.
  int64_t group(int64_t image) const { return image % groups * channels; }
  double rows() const { return double(count / groups) * double(positions); }
};

bool is_own(const at::Tensor &x) {
  return x.is_cpu() && x.dim() == 4 && x.scalar_type() == at::kFloat &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast) && x.numel() > 0;
}

// Calls `work` with each number below `count`, on libtorch's own threads.
template <typename Work> void each(int64_t count, const Work &work) {
  at::Tensor places = at::arange(count, at::TensorOptions(at::kLong));
  auto iterator = at::TensorIterator::nullary_op(places);
  iterator.for_each(
      [&](char **data, const int64_t *strides, int64_t size) {
        for (int64_t index = 0; index < size; ++index)
          work(*reinterpret_cast<const int64_t *>(data[0] + index * strides[0]));
      },
      1);
}

// What a channel makes of a number: `(x - mean) * gain + shift`, and of that what is above `least`.
struct Lines {
  const float *mean, *gain, *shift;
  float least;
};

constexpr float NO_LEAST = -std::numeric_limits<float>::infinity();

// The sums of each channel and of its squares, both from `base`, a number near the mean.
CPIPE_EACH_PROCESSOR
void add_moments(const float *__restrict x, int64_t rows, int64_t channels,
                 const float *__restrict base, float *__restrict sum, float *__restrict square) {
  for (; rows > 0; --rows, x += channels)
    for (int64_t c = 0; c < channels; ++c) {
      const float from = x[c] - base[c];
      sum[c] += from;
      square[c] += from * from;
    }
}

// A number that is none stays one. `y` may be `x` itself.
CPIPE_EACH_PROCESSOR
void apply(const float *x, float *y, int64_t rows, int64_t channels, Lines lines) {
  const float *mean = lines.mean, *gain = lines.gain, *shift = lines.shift;
  for (; rows > 0; --rows, x += channels, y += channels)
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float made = (x[c] - mean[c]) * gain[c] + shift[c];
      y[c] = made < lines.least ? lines.least : made;
    }
}

// The same with a shortcut added before what is below `least` is left out.
CPIPE_EACH_PROCESSOR
void apply_onto(const float *x, const float *shortcut, float *y, int64_t rows, int64_t channels,
                Lines lines) {
  const float *mean = lines.mean, *gain = lines.gain, *shift = lines.shift;
  for (; rows > 0; --rows, x += channels, y += channels, shortcut += channels)
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float made = (x[c] - mean[c]) * gain[c] + shift[c] + shortcut[c];
      y[c] = made < lines.least ? lines.least : made;
    }
}

// What of a gradient passes a ReLU that made `y`.
CPIPE_EACH_PROCESSOR
void pass_relu(const float *__restrict gradient, const float *__restrict y,
               float *__restrict passed, int64_t numbers) {
  for (int64_t index = 0; index < numbers; ++index)
    passed[index] = y[index] <= 0.0f ? 0.0f : gradient[index];
}

// The sums by which shift and gain of each channel change the loss, but for the deviation.
CPIPE_EACH_PROCESSOR
void add_slopes(const float *__restrict gradient, const float *__restrict x, int64_t rows,
                int64_t channels, Lines lines, float *__restrict by_shift,
                float *__restrict by_gain) {
  const float *__restrict mean = lines.mean, *__restrict gain = lines.gain;
  const float *__restrict shift = lines.shift;
  for (; rows > 0; --rows, x += channels, gradient += channels)
    for (int64_t c = 0; c < channels; ++c) {
      const float from = x[c] - mean[c];
      const float passed = from * gain[c] + shift[c] <= lines.least ? 0.0f : gradient[c];
      by_shift[c] += passed;
      by_gain[c] += passed * from;
    }
}

// `gain * (gradient - constant - (x - mean) * slope)`, of the gradient what has passed the ReLU.
CPIPE_EACH_PROCESSOR
void descend(const float *__restrict gradient, const float *__restrict x, float *__restrict by_x,
             int64_t rows, int64_t channels, Lines lines, const float *__restrict constant,
             const float *__restrict slope) {
  const float *__restrict mean = lines.mean, *__restrict gain = lines.gain;
  const float *__restrict shift = lines.shift;
  for (; rows > 0; --rows, x += channels, gradient += channels, by_x += channels)
    for (int64_t c = 0; c < channels; ++c) {
      const float from = x[c] - mean[c];
      const float passed = from * gain[c] + shift[c] <= lines.least ? 0.0f : gradient[c];
      by_x[c] = gain[c] * (passed - constant[c] - from * slope[c]);
    }
}

// For each image two sums a channel, added over the images of each group.
struct Sums {
  std::vector<double> first, second;

  Sums(const Maps &maps) : first(maps.count * maps.channels), second(first.size()) {}

  // Adds what `add` has summed over some rows in single precision.
  template <typename Add> void take(const Maps &maps, int64_t image, const Add &add) {
    std::vector<float> sums(2 * maps.channels);
    for (int64_t row = 0; row < maps.positions; row += ROWS) {
      std::fill(sums.begin(), sums.end(), 0.0f);
      const int64_t place = (image * maps.positions + row) * maps.channels;
      add(place, std::min(ROWS, maps.positions - row), &sums[0], &sums[maps.channels]);
      for (int64_t c = 0; c < maps.channels; ++c) {
        first[image * maps.channels + c] += sums[c];
        second[image * maps.channels + c] += sums[maps.channels + c];
      }
    }
  }

  // Leaves those of each group, `[groups * channels]`.
  void add_groups(const Maps &maps) {
    for (std::vector<double> *sums : {&first, &second}) {
      for (int64_t image = maps.groups; image < maps.count; ++image)
        for (int64_t c = 0; c < maps.channels; ++c)
          (*sums)[maps.group(image) + c] += (*sums)[image * maps.channels + c];
      sums->resize(maps.groups * maps.channels);
    }
  }
};

// Mean, scale over deviation, and shift of each channel of each group.
struct Channels {
  std::vector<float> mean, gain, shift;

  Channels(const Maps &maps, const at::Tensor &scale, const at::Tensor &shift_of,
           const float *means, const float *deviations)
      : mean(means, means + maps.groups * maps.channels), gain(mean.size()), shift(mean.size()) {
    const at::Tensor scales = scale.contiguous(), shifts = shift_of.contiguous();
    for (size_t place = 0; place < mean.size(); ++place) {
      const int64_t c = int64_t(place) % maps.channels;
      gain[place] = scales.const_data_ptr<float>()[c] * deviations[place];
      shift[place] = shifts.const_data_ptr<float>()[c];
    }
  }

  Lines lines(const Maps &maps, int64_t image, bool relu) const {
    const int64_t group = maps.group(image);
    return {&mean[group], &gain[group], &shift[group], relu ? 0.0f : NO_LEAST};
  }
};

// Mean and one over the deviation, `[groups * channels]`.
void measure(const Maps &maps, const float *x, double epsilon, float *mean, float *deviation) {
  // What is near the mean: the mean of the first image of each group.
  std::vector<float> base(maps.groups * maps.channels), zero(maps.channels);
  Sums near(maps);
  for (int64_t group = 0; group < maps.groups; ++group) {
    near.take(maps, group, [&](int64_t place, int64_t rows, float *sum, float *square) {
      add_moments(x + place, rows, maps.channels, zero.data(), sum, square);
    });
    for (int64_t c = 0; c < maps.channels; ++c)
      base[group * maps.channels + c] =
          float(near.first[group * maps.channels + c] / double(maps.positions));
  }
  Sums sums(maps);
  each(maps.count, [&](int64_t image) {
    sums.take(maps, image, [&](int64_t place, int64_t rows, float *sum, float *square) {
      add_moments(x + place, rows, maps.channels, &base[maps.group(image)], sum, square);
    });
  });
  sums.add_groups(maps);
  for (size_t place = 0; place < base.size(); ++place) {
    const double from = sums.first[place] / maps.rows();
    const double variance = std::max(sums.second[place] / maps.rows() - from * from, 0.0);
    mean[place] = float(base[place] + from);
    deviation[place] = float(1.0 / std::sqrt(variance + epsilon));
  }
}

// What the channels make of `x`, a shortcut added, if there is one; in the place of `x` if it is
// to.
at::Tensor applied(const Maps &maps, const Channels &channels, const at::Tensor &x,
                   const at::Tensor *shortcut, bool relu, bool in_place) {
  const at::Tensor onto =
      shortcut == nullptr ? at::Tensor() : shortcut->contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor output = in_place ? x : at::empty_like(x);
  const float *from = x.const_data_ptr<float>();
  const float *added = onto.defined() ? onto.const_data_ptr<float>() : nullptr;
  float *to = output.data_ptr<float>();
  each(maps.count, [&](int64_t image) {
    const Lines lines = channels.lines(maps, image, relu);
    const int64_t place = maps.offset(image);
    if (added == nullptr)
      apply(from + place, to + place, maps.positions, maps.channels, lines);
    else
      apply_onto(from + place, added + place, to + place, maps.positions, maps.channels, lines);
  });
  return output;
}

// What follows a normalisation, where libtorch has it as operations of its own.
void follow(const at::Tensor &output, const at::Tensor *shortcut, bool relu) {
  if (shortcut != nullptr)
    output.add_(*shortcut);
  if (relu)
    output.relu_();
}

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

// The number of an implementation of libtorch, or ours.
constexpr int64_t OWN = -1;

} // namespace

extern "C" {

// Normalises each group of rows of `x` by itself, and adds a shortcut, if there is one. Made are
// the output, mean and one over the deviation, `[groups * channels]`, and what the implementation
// keeps for the way back. The output may take the place of `x` where it is `in_place`.
char *cpipe_batch_norm(at::Tensor *made[4], int64_t *implementation, const at::Tensor *x,
                       const at::Tensor *scale, const at::Tensor *shift, const at::Tensor *shortcut,
                       int64_t groups, bool relu, double epsilon, bool in_place) {
  return guarded([&] {
    if (!is_own(*x)) {
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
      return;
    }
    const Maps maps(*x, groups);
    const float *from = x->const_data_ptr<float>();
    const at::Tensor mean = at::empty({groups * maps.channels}, x->options());
    const at::Tensor deviation = at::empty_like(mean);
    measure(maps, from, epsilon, mean.data_ptr<float>(), deviation.data_ptr<float>());
    const Channels channels(maps, *scale, *shift, mean.const_data_ptr<float>(),
                            deviation.const_data_ptr<float>());
    const at::Tensor output = applied(maps, channels, *x, shortcut, relu, in_place);
    made[0] = owned(output);
    made[1] = owned(mean);
    made[2] = owned(deviation);
    made[3] = nullptr;
    *implementation = OWN;
  });
}

// Normalises `x` by the given mean and variance, and adds a shortcut, if there is one. There is no
// way back.
char *cpipe_batch_norm_fixed(at::Tensor *made[1], const at::Tensor *x, const at::Tensor *scale,
                             const at::Tensor *shift, const at::Tensor *mean,
                             const at::Tensor *variance, const at::Tensor *shortcut, bool relu,
                             double epsilon, bool in_place) {
  return guarded([&] {
    if (!is_own(*x)) {
      const at::Tensor output =
          at::batch_norm(*x, *scale, *shift, *mean, *variance, false, 0.0, epsilon, true);
      follow(output, shortcut, relu);
      made[0] = owned(output);
      return;
    }
    const Maps maps(*x, 1);
    const at::Tensor means = mean->contiguous(), deviation = variance->add(epsilon).rsqrt_();
    const Channels channels(maps, *scale, *shift, means.const_data_ptr<float>(),
                            deviation.const_data_ptr<float>());
    made[0] = owned(applied(maps, channels, *x, shortcut, relu, in_place));
  });
}

// The gradients by `x`, by scale, by shift and by the shortcut, where there is one. `kept` and
// `implementation`, mean and deviation are what the way forward has made; its output is read behind
// a ReLU alone.
char *cpipe_batch_norm_backward(at::Tensor *made[4], int64_t implementation,
                                const at::Tensor *gradient, const at::Tensor *x,
                                const at::Tensor *output, const at::Tensor *scale,
                                const at::Tensor *shift, const at::Tensor *mean,
                                const at::Tensor *deviation, const at::Tensor *kept, int64_t groups,
                                bool relu, bool has_shortcut, double epsilon, bool by_x) {
  return guarded([&] {
    if (implementation != OWN) {
      const at::Tensor passed = relu ? at::threshold_backward(*gradient, *output, 0) : *gradient;
      const std::vector<int64_t> sizes = by_groups(*x, groups);
      auto [x_gradient, scale_gradient, shift_gradient] = at::_batch_norm_impl_index_backward(
          implementation, x->reshape(sizes), passed.reshape(sizes), repeated(*scale, groups),
          std::nullopt, std::nullopt, *mean, *deviation, true, epsilon, {by_x, true, true},
          kept == nullptr ? at::Tensor() : *kept);
      const auto added = [&](const at::Tensor &own) {
        return groups == 1 ? own : own.reshape({groups, -1}).sum(0);
      };
      made[0] = by_x ? owned(x_gradient.reshape(x->sizes())) : nullptr;
      made[1] = owned(added(scale_gradient));
      made[2] = owned(added(shift_gradient));
      made[3] = has_shortcut ? owned(passed) : nullptr;
      return;
    }
    const Maps maps(*x, groups);
    const Channels channels(maps, *scale, *shift, mean->const_data_ptr<float>(),
                            deviation->const_data_ptr<float>());
    const float *from = x->const_data_ptr<float>();
    const at::Tensor arrived = gradient->contiguous(at::MemoryFormat::ChannelsLast);
    // What passes the ReLU follows from `x`, or else, behind a shortcut, from the output.
    const bool by_output = relu && has_shortcut, by_lines = relu && !has_shortcut;
    const at::Tensor passed = by_output ? at::empty_like(arrived) : arrived;
    const float *down = passed.const_data_ptr<float>();
    Sums sums(maps);
    each(maps.count, [&](int64_t image) {
      const Lines lines = channels.lines(maps, image, by_lines);
      sums.take(maps, image, [&](int64_t place, int64_t rows, float *by_shift, float *by_gain) {
        if (by_output)
          pass_relu(arrived.const_data_ptr<float>() + place,
                    output->const_data_ptr<float>() + place, passed.data_ptr<float>() + place,
                    rows * maps.channels);
        add_slopes(down + place, from + place, rows, maps.channels, lines, by_shift, by_gain);
      });
    });
    sums.add_groups(maps);

    const at::Tensor scale_gradient = at::empty_like(*scale),
                     shift_gradient = at::empty_like(*scale);
    std::vector<float> constant(sums.first.size()), slope(sums.first.size());
    for (int64_t c = 0; c < maps.channels; ++c) {
      double by_scale = 0.0, by_shift = 0.0;
      for (int64_t place = c; place < int64_t(constant.size()); place += maps.channels) {
        const double one_over = deviation->const_data_ptr<float>()[place];
        by_scale += sums.second[place] * one_over;
        by_shift += sums.first[place];
        constant[place] = float(sums.first[place] / maps.rows());
        slope[place] = float(sums.second[place] * one_over * one_over / maps.rows());
      }
      scale_gradient.data_ptr<float>()[c] = float(by_scale);
      shift_gradient.data_ptr<float>()[c] = float(by_shift);
    }
    made[1] = owned(scale_gradient);
    made[2] = owned(shift_gradient);
    made[3] = has_shortcut ? owned(passed) : nullptr;
    made[0] = nullptr;
    if (!by_x)
      return;
    const at::Tensor x_gradient = at::empty_like(*x);
    float *to = x_gradient.data_ptr<float>();
    each(maps.count, [&](int64_t image) {
      const int64_t place = maps.offset(image), group = maps.group(image);
      descend(down + place, from + place, to + place, maps.positions, maps.channels,
              channels.lines(maps, image, by_lines), &constant[group], &slope[group]);
    });
    made[0] = owned(x_gradient);
  });
}
}
