// MemoryFile: a LocalFile over bytes that outlive it, so that a test can open them again, damage
// them, or let the power fail: then any page that was written since the start may be lost, whatever
// the order.
#pragma once

#include <boost/asio/use_awaitable.hpp>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>

#include "backend/base/check.h"
#include "backend/base/local_file.h"

namespace swiftness {

struct MemoryDisk {
  explicit MemoryDisk(size_t size) : bytes(size) {}

  Bytes bytes;
  std::map<size_t, Bytes> before;     // pages as they were at the start
  bool is_cached = true;              // reads need not wait
  AsyncEvent* holds_reads = nullptr;  // reads that wait do so until it is null, and notified
  bool fails_reads = false;
  bool fails_writes = false;
  size_t reads = 0;  // that waited
  size_t writes = 0;
  std::function<void()> on_write{};  // after each page that was written

  static constexpr size_t kPage = 4096;

  void write(uint64_t offset, std::span<const std::byte> data) {
    while (!data.empty()) {
      const size_t page = offset / kPage;
      const size_t length = std::min<size_t>(data.size(), (page + 1) * kPage - offset);
      const std::span<const std::byte> old = std::span(bytes).subspan(page * kPage, kPage);
      before.try_emplace(page, old.begin(), old.end());
      std::memcpy(bytes.data() + offset, data.data(), length);
      offset += length;
      data = data.subspan(length);
      if (on_write) on_write();
    }
  }

  void cut_power(std::mt19937_64& random) {
    for (const auto& [page, old] : before) {
      if (random() % 2 == 0) std::memcpy(bytes.data() + page * kPage, old.data(), kPage);
    }
    before.clear();
  }
};

class MemoryFile final : public LocalFile {
 public:
  MemoryFile(Executor executor, std::shared_ptr<MemoryDisk> disk)
      : executor_(std::move(executor)), disk_(std::move(disk)) {}
  ~MemoryFile() override { CHECK(under_way_ == 0); }

  uint64_t size() const noexcept override { return disk_->bytes.size(); }

  bool try_read(uint64_t offset, std::span<std::byte> target) noexcept override {
    if (!disk_->is_cached || disk_->fails_reads) return false;
    std::memcpy(target.data(), disk_->bytes.data() + offset, target.size());
    return true;
  }

  Async<Buffer> read(uint64_t offset, size_t length) override {
    ++under_way_;
    co_await asio::post(executor_, asio::use_awaitable);
    while (disk_->holds_reads != nullptr) co_await disk_->holds_reads->wait();
    --under_way_;
    ++disk_->reads;
    if (disk_->fails_reads) co_return Error(ErrorCode::corrupt, "as the test asked");
    co_return Buffer::copy_of(std::span(disk_->bytes).subspan(offset, length));
  }

  Async<void> write(uint64_t offset, BufferList data) override {
    ++under_way_;
    co_await asio::post(executor_, asio::use_awaitable);
    --under_way_;
    ++disk_->writes;
    if (disk_->fails_writes) co_return Error(ErrorCode::out_of_space, "as the test asked");
    disk_->write(offset, data.flatten().bytes());
    co_await asio::post(executor_, asio::use_awaitable);
    co_return Result<void>();
  }

  Async<void> sync() override { co_return Result<void>(); }

  // What ReadCache::start() takes.
  static Async<std::unique_ptr<LocalFile>> open(Executor executor,
                                                std::shared_ptr<MemoryDisk> disk) {
    co_return std::unique_ptr<LocalFile>(
        std::make_unique<MemoryFile>(std::move(executor), std::move(disk)));
  }

 private:
  Executor executor_;
  std::shared_ptr<MemoryDisk> disk_;
  size_t under_way_ = 0;
};

}  // namespace swiftness
