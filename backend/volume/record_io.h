// Records in the store: read with their decoder, written and read back. The few steps that claims,
// starts, roots and chunks have in common.
#pragma once

#include <string>
#include <utility>

#include "backend/object_store.h"
#include "backend/volume/names.h"

namespace swiftness {

// What everything that works on one volume's objects needs. Outlives all of it.
struct VolumeObjects {
  ObjectStore& store;
  VolumeDescriptor descriptor;
  VolumeNames names;

  const Uuid& uuid() const noexcept { return descriptor.uuid; }
};

template <class T>
using Decode = Result<T> (*)(const Uuid&, std::span<const std::byte>);

// not_found is what one answer says; it proves no absence. Corrupt is what two reads said: a bit
// may have flipped on its way.
template <class T>
Async<T> read_record(const VolumeObjects& objects, ObjectName object, Decode<T> decode,
                     GetOptions options) {
  for (bool again = false;; again = true) {
    Result<Buffer> bytes = co_await objects.store.get(object, ByteRange::whole(), options);
    if (!bytes) co_return bytes.error().within(to_string(object));
    Result<T> record = decode(objects.uuid(), bytes->bytes());
    if (record) co_return record;
    if (again) co_return record.error().within(to_string(object));
  }
}

// Reads a record that was written once, and PUTs the same bytes again. What one look found may be
// on a minority of servers, left there by an attempt that died, and be gone tomorrow: whoever is
// going to build on it first makes it last.
template <class T>
Async<T> prove_record(const VolumeObjects& objects, ObjectName object, Decode<T> decode) {
  GetOptions newest{.newest = true};
  Result<Buffer> bytes = co_await objects.store.get(object, ByteRange::whole(), newest);
  if (!bytes) co_return bytes.error().within(to_string(object));
  Result<T> record = decode(objects.uuid(), bytes->bytes());
  if (!record) co_return record.error().within(to_string(object));
  PutOptions plain;
  Result<void> put = co_await objects.store.put(object, BufferList(*bytes), plain);
  if (!put) co_return put.error().within("repeating " + to_string(object));
  co_return record;
}

// Presence of one object under a controlled look.
inline asio::awaitable<Presence> presence_of(ObjectStore& store, ObjectName object) {
  std::vector<std::string> names{object.name};
  std::vector<Presence> found = co_await store.presence(object.container, std::move(names));
  co_return found.front();
}

inline Error in_doubt(const ObjectName& object) {
  return Error(ErrorCode::unavailable,
               "the store cannot say for sure whether " + to_string(object) + " exists");
}

uint64_t unix_seconds();

}  // namespace swiftness
