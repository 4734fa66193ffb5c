// The part of a store's check that puts Swift's promises to the test, one after the other, in a
// container of its own. Fills the facts; judges nothing.
#pragma once

#include <functional>

#include "backend/swift/store_facts.h"
#include "backend/swift/store_probe.h"

namespace swiftness {

struct TrialPlan {
  unsigned rounds = 4;    // of creators at once
  unsigned creators = 8;  // at once
  unsigned names = 32;    // read through every proxy right after they were made
  Duration patience = std::chrono::seconds(8);  // until something is seen
};

class StoreTrials {
 public:
  StoreTrials(StoreProbe& probe, CheckContainer& box, const StoreNeeds& needs, TrialPlan plan,
              StoreFacts& facts);

  // All of them, `done` after each. The object "chunk" of the largest size stays.
  asio::awaitable<void> run(std::function<void(size_t done, size_t all)> progress);

  static constexpr const char* kChunk = "chunk";
  const Buffer& chunk() const noexcept { return chunk_; }

 private:
  using Outcome = TrialFacts::Outcome;
  using Seen = asio::awaitable<TrialFacts>;
  struct Race;
  static TrialFacts held(std::string seen) { return {{}, Outcome::held, std::move(seen), {}}; }
  static TrialFacts broken(std::string seen) { return {{}, Outcome::broken, std::move(seen), {}}; }
  static TrialFacts failed(const ProbeAnswer& answer);
  ProbeRequest upload(std::string object, Buffer data) const;

  Seen write();
  Seen read();
  Seen ranged_read();
  Seen conditional_read();
  Seen create_only();
  Seen creators();
  Seen wrong_checksum();
  Seen newest();
  Seen overwrite();
  Seen read_after_create();
  Seen listing();
  Seen copy_by_put();
  Seen copy_by_copy();
  Seen copied(ProbeAnswer copy, std::string target);
  Seen expiry();
  Seen remove();
  Task create(Race& race, size_t which);
  asio::awaitable<bool> await_name(size_t proxy, std::string name);

  StoreProbe& probe_;
  CheckContainer& box_;
  StoreNeeds needs_;
  TrialPlan plan_;
  StoreFacts& facts_;
  Buffer chunk_;
  std::string chunk_md5_;
};

Buffer random_data(size_t bytes);

}  // namespace swiftness
