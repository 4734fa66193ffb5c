#include "target/gateway/memory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/gateway/temporary_folder.h"

namespace swiftness {
namespace {

class MachineMemory : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::filesystem::path root() const { return folder_.path(); }
  uint64_t mib() const { return machine_memory(root()).value() >> 20; }

  TemporaryFolder folder_;
};

TEST_F(MachineMemory, IsWhatTheMachineHas) {
  write("proc/meminfo", "MemTotal:       2097152 kB\nMemFree:  1024 kB\n");
  EXPECT_EQ(mib(), 2048u);
  write("proc/self/cgroup", "4:memory:/old\n0::/system.slice/gateway.service\n");
  EXPECT_EQ(mib(), 2048u) << "nothing limits its group";
}

TEST_F(MachineMemory, IsLessWhereTheGroupOrOneAboveItHasALimit) {
  write("proc/meminfo", "MemTotal:       2097152 kB\n");
  write("proc/self/cgroup", "0::/system.slice/gateway.service\n");
  write("sys/fs/cgroup/system.slice/gateway.service/memory.max", "max\n");
  write("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  EXPECT_EQ(mib(), 1024u);
  write("sys/fs/cgroup/system.slice/gateway.service/memory.max", "536870912\n");
  EXPECT_EQ(mib(), 512u);
}

// In a container its own group is the root.
TEST_F(MachineMemory, SeesTheLimitOfAContainer) {
  write("proc/meminfo", "MemTotal:       2097152 kB\n");
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "268435456\n");
  EXPECT_EQ(mib(), 256u);
}

TEST_F(MachineMemory, OfThisMachineIsKnown) {
  EXPECT_GT(machine_memory().value(), uint64_t{64} << 20);
}

// MiB of the first volume.
uint64_t share(const config::Config& config, uint64_t machine_gib) {
  return dirty_memory_of(config.volumes[0], config, ByteCount(machine_gib << 30)).value() >> 20;
}

TEST(DirtyMemory, IsASixteenthOfTheMachineSharedOutEvenly) {
  config::Config config;
  config.volumes.resize(1);
  config.volumes[0].journal = config::Journal{ByteCount(1 << 30), {}};
  EXPECT_EQ(share(config, 32), 2048u);
  EXPECT_EQ(share(config, 1), 256u) << "at least";
  EXPECT_EQ(share(config, 256), 4096u) << "at most";
  config.volumes.resize(4);
  EXPECT_EQ(share(config, 32), 512u);
  config.volumes.resize(9);
  EXPECT_EQ(share(config, 1), 32u) << "what each needs";
  config.limits.dirty_memory = ByteCount(uint64_t{18} << 30);
  EXPECT_EQ(share(config, 1), 2048u) << "as it was given";
}

TEST(DirtyMemory, IsLittleWhereAFlushWaitsForTheStore) {
  config::Config config;
  config.volumes.resize(1);
  EXPECT_EQ(share(config, 32), 256u) << "no journal";
  config.volumes[0].journal = config::Journal{ByteCount(1 << 30), {}};
  config.volumes[0].durable_in_journal = false;
  EXPECT_EQ(share(config, 32), 256u);
  config.limits.dirty_memory = ByteCount(uint64_t{1} << 30);
  EXPECT_EQ(share(config, 32), 1024u) << "as it was given";
}

}  // namespace
}  // namespace swiftness
