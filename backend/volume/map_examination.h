// MapExamination: one round of a check, over one view: its pages, the references in them, and the
// chunks these are in. All of it, or what an earlier round found suspicious. The order: check.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "backend/volume/check.h"
#include "backend/volume/chunk_check.h"
#include "backend/volume/volume_view.h"

namespace swiftness {

// What looked wrong, and where to look again.
struct Suspicion {
  CheckFinding finding;
  bool certain = false;          // otherwise the store could not say
  Sequence chunk;                // 0: it is about a page
  std::vector<uint64_t> pages;   // that refer to the chunk, or the one
  std::optional<MapPlace> leaf;  // of an erased page
};

class MapExamination {
 public:
  using Tell = std::function<void(CheckProgress)>;

  MapExamination(const CheckOptions& options, VolumeView& view, Tell tell)
      : options_(options), view_(view), tell_(std::move(tell)) {}

  // All of the view; counts what it saw in `report`.
  Task examine(CheckReport& report);
  // What of these is still suspicious in this view.
  Task examine_again(const std::vector<Suspicion>& suspicions);

  std::vector<Suspicion> take_suspicions() { return std::move(suspicions_); }
  uint64_t unlisted() const noexcept { return unlisted_; }

 private:
  struct Window {
    Sequence first;
    Sequence end;  // not in it any more
    std::vector<MapReference> references;
  };

  Task examine_windows();
  Task walk_map(Window& window);
  Task walk_pages(Window& window, size_t& next);
  void note_page(uint64_t page, Window& window);
  void shrink(Window& window) const;
  Task verify_chunks(Window& window);
  Task verify_next(const Window& window, const std::vector<LedgerEntry>& entries, size_t& next);
  Task verify(LedgerEntry entry, std::span<const MapReference> references);
  Async<Buffer> read_chunk(ObjectName name, LedgerEntry entry, ChunkHeader& header);
  Task read_detached(const std::vector<MapPlace>& leaves);
  bool wanted(uint64_t page, Sequence chunk) const;

  void suspect_page(uint64_t page, CheckFinding::Kind kind, const Error& error);
  void suspect_chunk(const LedgerEntry& entry, std::span<const MapReference> references,
                     CheckFinding::Kind kind, std::string what, uint64_t sectors, bool certain);
  void suspect(Suspicion suspicion);

  const CheckOptions& options_;
  VolumeView& view_;
  Tell tell_;
  CheckReport seen_;  // counters
  bool again_ = false;
  std::vector<uint64_t> pages_;
  std::set<uint64_t> whole_pages_;  // again: all they refer to is looked at
  std::set<Sequence> chunks_;       // again: these in any case
  bool first_walk_ = true;
  uint64_t chunks_done_ = 0;
  uint64_t chunks_total_ = 0;
  std::vector<Suspicion> suspicions_;
  uint64_t unlisted_ = 0;
};

}  // namespace swiftness
