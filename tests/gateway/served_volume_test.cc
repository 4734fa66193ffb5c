#include "target/gateway/served_volume.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>

#include "backend/store/faulty_store.h"
#include "backend/store/memory_store.h"
#include "tests/gateway/temporary_folder.h"

namespace swiftness {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr ByteCount kGiB{1ULL << 30};

Task stop_it(ServedVolume& volume, bool& stopped) {
  co_await volume.stop();
  stopped = true;
}

Task create_it(ObjectStore& store, std::string name, ByteCount size) {
  Result<VolumeDescriptor> created = co_await create_volume(store, std::move(name), size, 512);
  EXPECT_TRUE(created);
}

// One gateway after another on one store, which may be down, or be swapped for another.
class ServedVolumeTest : public testing::Test {
 protected:
  ServedVolumeTest() {
    wanted_.name = "disk";
    wanted_.store = "here";
    wanted_.size = kGiB;
    wanted_.create = true;
    use_another_store();
  }
  ~ServedVolumeTest() override {
    if (served_) stop();
  }

  void use_another_store() {
    store_ = std::make_unique<FaultyStore>(std::make_unique<MemoryStore>(io_.get_executor()),
                                           io_.get_executor(), 1);
  }

  void start() {
    if (!state_) state_ = std::move(*StateDir::open(folder_.path()));
    VolumeOptions options;
    options.claim_settle = 1ms;
    served_ = std::make_unique<ServedVolume>(io_.get_executor(), wanted_, *store_, state_.get(),
                                             options, [this](Volume&) { ++known_; });
    served_->start();
  }

  void stop() {
    bool stopped = false;
    asio::co_spawn(io_, stop_it(*served_, stopped), asio::detached);
    run_until([&stopped] { return stopped; });
    served_.reset();
    known_ = 0;
  }

  template <class Predicate>
  void run_until(Predicate done) {
    const TimePoint deadline = std::chrono::steady_clock::now() + 30s;
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_one_for(100ms);
    }
    EXPECT_TRUE(done());
  }
  void run_until_online() {
    run_until([this] { return served_->is_online(); });
  }
  void run_until_size(ByteCount size) {
    run_until([&] { return served_->is_online() && served_->volume()->usage().capacity == size; });
  }
  void run_until_trouble(const std::string& words) {
    run_until([&] { return served_->trouble().find(words) != std::string::npos; });
    EXPECT_FALSE(served_->is_online());
  }

  void create_in_store(ByteCount size) {
    bool done = false;
    asio::co_spawn(io_, create_it(*store_, "disk", size),
                   [&done](std::exception_ptr) { done = true; });
    run_until([&done] { return done; });
  }

  TemporaryFolder folder_;
  asio::io_context io_;
  config::Volume wanted_;
  std::unique_ptr<StateDir> state_;
  std::unique_ptr<FaultyStore> store_;
  std::unique_ptr<ServedVolume> served_;
  int known_ = 0;
};

TEST_F(ServedVolumeTest, CreatesWhatIsAbsent) {
  start();
  EXPECT_EQ(known_, 0);
  run_until_online();
  EXPECT_EQ(known_, 1);
  EXPECT_EQ(served_->trouble(), "");
  EXPECT_EQ(served_->volume()->geometry().blocks, BlockCount(kGiB.value() / 512));
}

TEST_F(ServedVolumeTest, TheSameVolumeIsServedAfterARestart) {
  start();
  run_until_online();
  const Uuid identity = served_->volume()->geometry().identity;
  stop();
  start();
  EXPECT_EQ(known_, 1) << "known before its store was asked";
  run_until_online();
  EXPECT_EQ(served_->volume()->geometry().identity, identity);
  EXPECT_EQ(known_, 1);
}

TEST_F(ServedVolumeTest, AReadCacheIsAFileNamedAfterTheVolumeAndGoesWhenItIsNotWanted) {
  constexpr ByteCount kSize{64ULL << 20};
  wanted_.read_cache = kSize;
  start();
  run_until_online();
  run_until([this] { return served_->volume()->status().read_cache.is_ready; });
  const std::string uuid = to_string(served_->volume()->geometry().identity);
  const std::filesystem::path file = folder_.path() / "cache" / uuid;
  EXPECT_EQ(std::filesystem::file_size(file), kSize.value());
  const ByteCount capacity = served_->volume()->status().read_cache.capacity;
  EXPECT_GT(capacity, ByteCount(63ULL << 20));
  EXPECT_LE(capacity, kSize);
  stop();
  wanted_.read_cache.reset();
  start();
  run_until_online();
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(served_->volume()->status().read_cache.capacity, ByteCount(0));
}

TEST_F(ServedVolumeTest, WaitsForAVolumeItMayNotCreate) {
  wanted_.create = false;
  wanted_.size.reset();
  start();
  run_until_trouble(
      "store \"here\" has no such volume; create it with \"swiftness volume create disk");
  EXPECT_EQ(known_, 0);
  create_in_store(kGiB);
  run_until_online();
  EXPECT_EQ(known_, 1);
}

TEST_F(ServedVolumeTest, WaitsForItsStore) {
  start();
  run_until_online();
  stop();
  store_->set_down(true);
  start();
  EXPECT_EQ(known_, 1);
  run_until([this] { return !served_->trouble().empty(); });
  EXPECT_EQ(served_->volume()->state(), DeviceState::attaching);
  store_->set_down(false);
  run_until_online();
  EXPECT_EQ(served_->trouble(), "");
}

TEST_F(ServedVolumeTest, AStoreInDoubtCreatesNothing) {
  store_->set_down(true);
  start();
  run_until([this] { return !served_->trouble().empty(); });
  EXPECT_EQ(known_, 0);
  EXPECT_FALSE(std::filesystem::exists(state_->file_of("disk")));
  store_->set_down(false);
  run_until_online();
}

TEST_F(ServedVolumeTest, NeverCreatesAVolumeTwice) {
  start();
  run_until_online();
  stop();
  use_another_store();
  start();
  run_until_trouble("so it is not created again");
  EXPECT_THAT(served_->trouble(), HasSubstr("volumes/disk.json"));
  stop();
  std::filesystem::remove(state_->file_of("disk"));
  start();
  run_until_online();
}

TEST_F(ServedVolumeTest, ADifferentVolumeUnderTheNameIsNotServed) {
  start();
  run_until_online();
  stop();
  use_another_store();
  create_in_store(kGiB);
  start();
  run_until_trouble("another volume of this name");
}

TEST_F(ServedVolumeTest, AMemoryThatCannotBeReadVetoes) {
  start();
  run_until_online();
  stop();
  std::ofstream(state_->file_of("disk")) << "{";
  start();
  run_until_trouble("cannot be read");
  EXPECT_EQ(known_, 0);
}

TEST_F(ServedVolumeTest, TheSizeOnlyGrows) {
  create_in_store(kGiB);
  wanted_.size = ByteCount(kGiB.value() / 2);
  start();
  run_until_trouble("it has 1GiB, the configuration says 512MiB; a volume cannot become smaller");
  wanted_.size = kGiB;
  served_->want(wanted_);
  run_until_online();
  EXPECT_EQ(served_->trouble(), "");
  stop();
  wanted_.size = ByteCount(kGiB.value() * 2);
  start();
  run_until_size(ByteCount(kGiB.value() * 2));
  wanted_.size = ByteCount(kGiB.value() * 3);
  served_->want(wanted_);
  wanted_.size = ByteCount(kGiB.value() * 4);
  served_->want(wanted_);
  run_until_size(ByteCount(kGiB.value() * 4));
  stop();
  wanted_.size = kGiB;
  start();
  run_until_online();
  EXPECT_EQ(served_->volume()->usage().capacity, ByteCount(kGiB.value() * 4))
      << "a configuration that says less is too late";
  stop();
  wanted_.block_size = 4096;
  start();
  run_until_trouble("it has blocks of 512 bytes, the configuration says 4096");
  stop();
  wanted_.size.reset();
  wanted_.block_size.reset();
  start();
  run_until_online();
}

TEST_F(ServedVolumeTest, StopsWhileItsStoreIsDown) {
  store_->set_down(true);
  start();
  run_until([this] { return !served_->trouble().empty(); });
  stop();
}

TEST_F(ServedVolumeTest, StopsBeforeAnythingHappened) {
  start();
  stop();
  start();
  run_until_online();
}

}  // namespace
}  // namespace swiftness
