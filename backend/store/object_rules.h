// The rules of backend/object_store.h that stores without a server check themselves, in one place
// so that all stores agree on them.
#pragma once

#include <cstdint>
#include <string_view>

#include "backend/object_store.h"

namespace swiftness {

// invalid: a name that object_store.h does not allow.
Result<void> check_container(std::string_view container);
Result<void> check_object(const ObjectName& object);

// The part of an object of `size` bytes that `range` means, its length made plain.
// invalid: it is not all inside the object.
Result<ByteRange> resolve(ByteRange range, uint64_t size);

}  // namespace swiftness
