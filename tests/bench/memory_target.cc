// memory_target PORT [MEGABYTES]: the protocol layers over a disk in memory, for the bench (what
// do iSCSI and SCSI cost alone?) and for tools that want a target, such as iscsi-test-cu.
#include <fmt/core.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "backend/base/gate.h"
#include "target/iscsi/server.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::test {
namespace {

// One array of bytes: reads copy out of it, writes into it, so that the device costs next to
// nothing and nothing of it depends on the layers above.
class ArrayDevice final : public BlockDevice {
 public:
  explicit ArrayDevice(uint64_t bytes) : bytes_(Buffer::allocate(bytes)) {
    std::ranges::fill(bytes_.writable(), std::byte{0});
  }

  Geometry geometry() const noexcept override {
    Geometry geometry;
    geometry.blocks = BlockCount(bytes_.size() / geometry.block_size);
    return geometry;
  }
  DeviceState state() const noexcept override { return DeviceState::online; }

  Async<BufferList> read(BlockRange range) override {
    co_return BufferList(bytes_.slice(range.first.value() * 512, range.count.value() * 512));
  }
  Async<void> write(BlockRange range, BufferList data, Durability, TicketPtr) override {
    data.copy_to(bytes_.writable().subspan(range.first.value() * 512, data.size()));
    co_return Result<void>();
  }
  Async<void> unmap(std::vector<BlockRange> ranges, TicketPtr) override {
    for (const BlockRange& range : ranges) {
      std::ranges::fill(
          bytes_.writable().subspan(range.first.value() * 512, range.count.value() * 512),
          std::byte{0});
    }
    co_return Result<void>();
  }
  Async<void> flush() override { co_return Result<void>(); }
  Async<std::vector<AllocationPiece>> allocation(BlockRange range) override {
    co_return std::vector<AllocationPiece>{AllocationPiece{range, true}};
  }
  Async<Prefetched> prefetch(BlockRange) override { co_return Prefetched::all; }
  ByteCount prefetch_room() const override { return ByteCount(bytes_.size()); }
  Usage usage() const override { return {}; }
  void observe(BlockDeviceObserver*) override {}

 private:
  Buffer bytes_;
};

Task stop(iscsi::Server& server, asio::io_context& io) {
  co_await server.stop();
  co_await server.join();
  io.stop();
}

int serve(uint16_t port, uint64_t megabytes) {
  asio::io_context io(1);
  ArrayDevice device(megabytes << 20);
  scsi::TaskRouter router;
  router.add(0, std::make_unique<scsi::LogicalUnit>(device, scsi::LogicalUnitOptions{}));
  iscsi::TargetNode node;
  node.name = "iqn.2026-11.org.swiftness:memory";
  node.router = &router;
  node.open = true;
  iscsi::Server server(io.get_executor(), {}, {{.address = "127.0.0.1", .port = port}}, {node});
  Result<void> listening = server.listen();
  if (!listening) {
    fmt::print(stderr, "{}\n", listening.error().message());
    return 1;
  }
  fmt::print("{}\n", server.portals().front().port);
  std::fflush(stdout);
  Gate gate(io.get_executor());
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { gate.spawn("stop", stop(server, io)); });
  io.run();
  return 0;
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr,
               "usage: memory_target PORT [MEGABYTES]   (iqn.2026-11.org.swiftness:memory)\n");
    return 2;
  }
  return swiftness::test::serve(static_cast<uint16_t>(std::atoi(argv[1])),
                                argc == 3 ? static_cast<uint64_t>(std::atoi(argv[2])) : 1024);
}
