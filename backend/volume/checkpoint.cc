#include "backend/volume/checkpoint.h"

#include <algorithm>
#include <optional>

#include "backend/base/gate.h"

namespace swiftness {
namespace {

constexpr size_t kParallel = 8;  // leaves under way at once

// Index of the era in the root's list.
uint32_t era_index(const Root& root, const Era& era) {
  auto it = std::find_if(root.eras.begin(), root.eras.end(),
                         [&](const EraSpan& span) { return span.era == era; });
  CHECK(it != root.eras.end());
  return static_cast<uint32_t>(it - root.eras.begin());
}

// Works through `next` .. `count` together with its siblings; stops at the first Error.
struct Progress {
  size_t next = 0;
  std::optional<Error> failed;
};

Task put_leaves(ObjectStore& store, const std::vector<Checkpointer::Snapshot::LeafObject>& leaves,
                Progress& progress) {
  while (progress.next < leaves.size() && !progress.failed) {
    const auto& leaf = leaves[progress.next++];
    BufferList data(leaf.data);
    PutOptions options;
    Result<void> put = co_await store.put(leaf.name, std::move(data), options);
    if (!put) progress.failed = put.error();
  }
}

Task get_leaves(const VolumeObjects& objects, const Root& root, ExtentMap& map,
                Progress& progress) {
  while (progress.next < root.pages.size() && !progress.failed) {
    const Root::Page page = root.pages[progress.next++];
    const ObjectName name = objects.names.leaf(root.eras[page.era_index].era, page.leaf_number);
    GetOptions options;
    Result<Leaf> leaf = co_await read_record<Leaf>(objects, name, decode_leaf, options);
    if (!leaf) {
      progress.failed = leaf.error();
    } else if (leaf->page != page.page) {
      progress.failed = Error(ErrorCode::corrupt, to_string(name) + " is of another page");
    } else {
      map.load(*leaf);
    }
  }
}

}  // namespace

void Checkpointer::begin(const Era& era, const Root& newest) {
  era_ = era;
  next_root_ = 1;
  next_leaf_ = 1;
  leaves_.clear();
  for (const Root::Page& page : newest.pages) {
    leaves_[page.page] = LeafName{newest.eras[page.era_index].era, page.leaf_number};
  }
}

Checkpointer::Snapshot Checkpointer::snapshot(ExtentMap& map, const EraHistory& eras,
                                              const CoveredLog& covered) {
  Snapshot out;
  for (uint64_t page : map.dirty_pages()) {
    Leaf leaf = map.leaf(page);
    if (leaf.extents.empty()) {
      leaves_.erase(page);
      continue;
    }
    for (const LeafExtent& extent : leaf.extents) CHECK(!extent.at.pending());
    LeafName name{era_, next_leaf_++};
    leaves_[page] = name;
    out.leaves.push_back(
        {objects_.names.leaf(name.era, name.number), Buffer::own(encode(objects_.uuid(), leaf))});
  }
  Root& root = out.root;
  root.name = RootName{era_, next_root_++};
  root.covered = covered.last;
  root.covered_hash = covered.header_hash;
  root.covered_position = covered.position;
  root.size = covered.size;
  root.block_size = covered.block_size;
  root.mapped = map.mapped();
  root.eras = eras.spans();
  root.eras.back().last = covered.last;
  for (const auto& [page, leaf] : leaves_) {
    root.pages.push_back(Root::Page{page, era_index(root, leaf.era), leaf.number});
  }
  map.mark_clean();
  return out;
}

Async<void> Checkpointer::write(const Snapshot& snapshot) {
  Executor executor = co_await asio::this_coro::executor;
  Progress progress;
  FanOut puts(executor);
  const size_t parallel = std::min(kParallel, snapshot.leaves.size());
  for (size_t i = 0; i < parallel; ++i) {
    puts.add(put_leaves(objects_.store, snapshot.leaves, progress));
  }
  co_await puts.join();
  if (progress.failed) co_return progress.failed->within("writing a leaf");
  BufferList data(Buffer::own(encode(objects_.uuid(), snapshot.root)));
  PutOptions options;
  ObjectName name = objects_.names.root(snapshot.root.name);
  Result<void> put = co_await objects_.store.put(name, std::move(data), options);
  if (!put) co_return put.error().within("writing " + to_string(name));
  co_return co_await write_head(objects_, snapshot.root.name);
}

Async<void> load_leaves(const VolumeObjects& objects, const Root& root, ExtentMap& map) {
  Executor executor = co_await asio::this_coro::executor;
  Progress progress;
  FanOut gets(executor);
  const size_t parallel = std::min(kParallel, root.pages.size());
  for (size_t i = 0; i < parallel; ++i) gets.add(get_leaves(objects, root, map, progress));
  co_await gets.join();
  if (progress.failed) co_return *progress.failed;
  if (map.mapped() != root.mapped) {
    co_return Error(ErrorCode::corrupt, "the leaves of " +
                                            to_string(objects.names.root(root.name)) +
                                            " do not hold what the root counts");
  }
  co_return Result<void>();
}

Async<void> write_head(const VolumeObjects& objects, RootName root) {
  BufferList data(Buffer::own(encode(objects.uuid(), Head{root})));
  PutOptions options;
  Result<void> put = co_await objects.store.put(objects.names.head(), std::move(data), options);
  if (!put) co_return put.error().within("writing the hint");
  co_return put;
}

}  // namespace swiftness
