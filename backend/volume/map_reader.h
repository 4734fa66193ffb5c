// MapReader: records out of map objects. LeafLoader: brings leaves into the map when somebody needs
// them, each once however many ask.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "backend/volume/era_history.h"
#include "backend/volume/extent_map.h"
#include "backend/volume/record_io.h"

namespace swiftness {

class MapReader {
 public:
  MapReader(const VolumeObjects& objects, const EraHistory& eras)
      : objects_(objects), eras_(eras) {}

  // corrupt: it is certainly not there, or not what it should be.
  template <class T>
  Async<T> read(MapPlace at, Decode<T> decode) const {
    Result<Buffer> bytes = co_await read_bytes(at);
    if (!bytes) co_return bytes.error();
    co_return decoded<T>(at, bytes->bytes(), decode);
  }

  // Records of one object that stand near each other, by one read: `places` ascend.
  template <class T>
  Async<std::vector<T>> read_together(std::vector<MapPlace> places, Decode<T> decode) const {
    const MapPlace first = places.front();
    const uint32_t end = places.back().offset + places.back().length;
    const MapPlace all{first.object, first.offset, end - first.offset};
    Result<Buffer> bytes = co_await read_bytes(all);
    if (!bytes) co_return bytes.error();
    std::vector<T> out;
    for (const MapPlace& at : places) {
      Result<T> record =
          decoded<T>(at, bytes->bytes().subspan(at.offset - first.offset, at.length), decode);
      if (!record) co_return record.error();
      out.push_back(std::move(*record));
    }
    co_return out;
  }

 private:
  template <class T>
  Result<T> decoded(MapPlace at, std::span<const std::byte> bytes, Decode<T> decode) const {
    Result<T> record = decode(objects_.uuid(), bytes);
    if (!record) return record.error().within(to_string(name(at)));
    return record;
  }
  ObjectName name(MapPlace at) const {
    return objects_.names.map_object(eras_.era_of_object(at.object), at.object);
  }
  Async<Buffer> read_bytes(MapPlace at) const;

  const VolumeObjects& objects_;
  const EraHistory& eras_;
};

class LeafLoader {
 public:
  LeafLoader(Executor executor, const MapReader& reader, ExtentMap& map)
      : executor_(std::move(executor)), reader_(reader), map_(map) {}

  // Afterwards the pages of the range were known at some moment of this turn; ask the map before
  // anything is awaited. `ensure` is for ranges of a few pages.
  Async<void> ensure(Sector first, SectorCount sectors);

  // visit() is called for each page on the turn on which it is known.
  Async<void> each(std::vector<uint64_t> pages, std::function<void(uint64_t page)> visit);

  // Loads one leaf of a page that was erased, and tells the map.
  Async<void> bury_one();

 private:
  struct Loading {
    explicit Loading(const Executor& executor) : done(executor) {}
    AsyncEvent done;
    std::optional<Error> failed;
    bool ended = false;
  };

  struct Walk {
    std::vector<uint64_t> pages;
    std::function<void(uint64_t)> visit;
    size_t next = 0;
    std::optional<Error> failed;
  };

  Async<void> load(uint64_t page);
  Task walk_on(Walk& walk);

  Executor executor_;
  const MapReader& reader_;
  ExtentMap& map_;
  std::map<uint64_t, std::shared_ptr<Loading>> loading_;
};

}  // namespace swiftness
