// What every function of this folder answers with: nothing, or a message that the caller gives
// back. A tensor is a pointer to an `at::Tensor`, as in the bindings; what is made belongs to the
// caller.

#pragma once

#include <cstring>
#include <exception>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>

namespace cpipe {

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

inline at::Tensor *owned(const at::Tensor &tensor) {
  return tensor.defined() ? new at::Tensor(tensor) : nullptr;
}

} // namespace cpipe
