// Copies within a volume: the map refers to the same data twice, and everything else still holds.
#include <gtest/gtest.h>

#include <random>

#include "tests/volume/check_fixture.h"

namespace swiftness {
namespace {

constexpr uint64_t kBlock = 8;  // sectors

class CopyTest : public CheckTest {
 protected:
  struct Origin {  // of what a block holds
    uint64_t block = 0;
    uint64_t tag = 0;  // 0: zeros
  };

  VolumeOptions options() const {
    VolumeOptions out = small_chunks();
    out.checkpoint_every = checkpoint_every_;
    out.collector.utilization = 0.7;
    return out;
  }
  void attach() {
    gateway_ = std::make_unique<Gateway>(shared_, disk_, ++seed_, options());
    ASSERT_TRUE(gateway_->attach().ok());
  }
  void write(uint64_t block, uint64_t count) {
    ++tag_;
    ASSERT_TRUE(gateway_->write(block * kBlock, count * kBlock, tag_).ok());
    for (uint64_t i = block; i < block + count; ++i) model_[i] = {i, tag_};
  }
  void unmap(uint64_t block, uint64_t count) {
    ASSERT_TRUE(gateway_->unmap(block * kBlock, count * kBlock).ok());
    for (uint64_t i = block; i < block + count; ++i) model_[i] = {};
  }
  void copy(uint64_t from, uint64_t to, uint64_t count) {
    const BlockRange range{Lba(from * kBlock), BlockCount(count * kBlock)};
    Result<void> done = run(shared_.io, gateway_->volume.copy(range, Lba(to * kBlock), nullptr));
    ASSERT_TRUE(done.ok()) << done.error().message();
    for (uint64_t i = 0; i < count; ++i) model_[to + i] = model_[from + i];
  }
  void expect_model() {
    for (uint64_t i = 0; i < model_.size(); ++i) {
      Result<BufferList> data = gateway_->read(i * kBlock, kBlock);
      ASSERT_TRUE(data.ok()) << data.error().message();
      const BufferList wanted(model_[i].tag == 0
                                  ? Buffer::zeros(kBlock * kSectorBytes)
                                  : pattern(model_[i].block * kBlock, kBlock, model_[i].tag));
      ASSERT_EQ(*data, wanted) << "block " << i;
    }
  }
  void expect_sound() {
    const CheckReport report = check();
    EXPECT_TRUE(report.clean()) << text_of(report);
  }
  void pass(Duration time) { run(shared_.io, sleep_for(time)); }
  double utilization() const {
    const VolumeStatus status = gateway_->volume.status();
    return static_cast<double>(status.live.value()) /
           static_cast<double>((status.stored - status.dead).value());
  }

  std::vector<Origin> model_ = std::vector<Origin>(kDisk / 4096);
  std::unique_ptr<Gateway> gateway_;
  uint32_t checkpoint_every_ = 8;
  uint64_t seed_ = 100;
  uint64_t tag_ = 0;
};

TEST_F(CopyTest, ReadsAsItsSourceAndThenGoesItsOwnWay) {
  attach();
  write(0, 40);
  unmap(10, 5);
  write(100, 30);  // where the copy goes
  write(20, 2);    // not sealed yet
  copy(0, 95, 40);
  expect_model();
  write(3, 4);    // the source alone
  write(120, 4);  // the copy alone
  unmap(97, 1);
  expect_model();
  ASSERT_TRUE(gateway_->flush().ok());
  expect_model();
  expect_sound();
}

TEST_F(CopyTest, MovesNothing) {
  attach();
  write(0, 1024);
  write(1024, 1024);
  ASSERT_TRUE(gateway_->flush().ok());
  const uint64_t before = gateway_->volume.status().put.value();
  copy(0, 8192 + 4096, 2048);  // 8 MiB, and the target begins in the midst of a page
  copy(0, 16384, 2048);
  EXPECT_LT(gateway_->volume.status().put.value() - before, uint64_t{64} << 10);
  expect_model();
}

// It is answered when it is in the store, whatever a write needs for that.
TEST_F(CopyTest, SurvivesACrash) {
  attach();
  write(0, 300);
  unmap(50, 10);
  copy(0, 9000, 300);
  gateway_->crash();
  attach();
  expect_model();
  write(0, 300);
  ASSERT_TRUE(gateway_->stop().ok());
  attach();
  expect_model();
}

TEST_F(CopyTest, ACheckpointThatBeginsWithItHasIt) {
  checkpoint_every_ = 1;
  attach();
  write(0, 300);
  ASSERT_TRUE(gateway_->flush().ok());
  pass(std::chrono::seconds(10));  // everything is merged: the checkpoint finds nothing to prepare
  copy(0, 1000, 300);
  pass(std::chrono::seconds(10));
  gateway_->crash();
  attach();
  expect_model();
}

TEST_F(CopyTest, OfAFencedGatewayIsNotAnswered) {
  attach();
  write(0, 300);
  Gateway other(shared_, disk_, ++seed_, options());
  ASSERT_TRUE(other.attach().ok());
  const BlockRange range{Lba(0), BlockCount(300 * kBlock)};
  Result<void> done = run(shared_.io, gateway_->volume.copy(range, Lba(80000), nullptr));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::fenced);
  EXPECT_TRUE(other.holds_zeros(80000, 300 * kBlock));
}

// It counts like what is written, though it takes no room in the store.
TEST_F(CopyTest, CountsAgainstTheQuota) {
  attach();
  write(0, 300);
  gateway_->volume.set_quota(ByteCount(400 * 4096));
  const BlockRange range{Lba(0), BlockCount(300 * kBlock)};
  Result<void> done = run(shared_.io, gateway_->volume.copy(range, Lba(80000), nullptr));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::out_of_space);
  expect_model();
  copy(0, 10000, 100);
  copy(0, 10000, 100);
  expect_model();
}

// A thousand copies of something do not excuse garbage as large as they are.
TEST_F(CopyTest, WhatManyCopiesShareIsCleanedAsIfThereWereOne) {
  attach();
  write(0, 512);
  for (uint64_t to = 1024; to + 512 <= 16384; to += 512) copy(0, to, 512);
  for (uint64_t i = 20000; i < 32000; i += 16) write(i, 16);
  for (uint64_t i = 20000; i + 2 <= 32000; i += 3) write(i, 2);  // garbage everywhere
  ASSERT_TRUE(gateway_->flush().ok());
  pass(std::chrono::minutes(5));
  EXPECT_GT(utilization(), 0.66);
  expect_model();
  expect_sound();
}

// What was copied from them is all that is live of the first chunks: they are cleaned like others,
// by the gateway that copied and by one that has to look for it.
TEST_F(CopyTest, WhatOnlyACopyHoldsIsCleaned) {
  for (bool again : {false, true}) {
    attach();
    for (uint64_t i = 0; i < 2000; i += 20) write(i, 20);
    for (uint64_t i = 0; i < 2000; i += 4) copy(i, 10000 + i, 1);
    if (again) {
      ASSERT_TRUE(gateway_->stop().ok());
      attach();
    }
    for (uint64_t i = 0; i < 2000; i += 20) write(i, 20);
    ASSERT_TRUE(gateway_->flush().ok());
    pass(std::chrono::minutes(5));
    EXPECT_GT(utilization(), 0.66);
    expect_model();
    expect_sound();
    ASSERT_TRUE(gateway_->stop().ok());
    gateway_.reset();
    new_volume();
    model_.assign(model_.size(), {});
  }
}

TEST_F(CopyTest, AmongAllElse) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    std::mt19937_64 random(seed);
    checkpoint_every_ = static_cast<uint32_t>(2 + random() % 20);
    model_.assign(4096, {});
    attach();
    auto place = [&](uint64_t count) { return random() % (model_.size() - count); };
    for (int i = 0; i < 1500; ++i) {
      const uint64_t count = 1 + random() % (random() % 8 == 0 ? 500 : 20);
      switch (random() % 12) {
        case 0:
          unmap(place(count), count);
          break;
        case 1:
        case 2: {
          const uint64_t from = place(count), to = place(count);
          if (from < to + count && to < from + count) break;
          copy(from, to, count);
          break;
        }
        case 3:
          if (random() % 4 == 0) pass(std::chrono::seconds(random() % 5));
          break;
        case 4: {
          if (random() % 30 != 0) break;
          const bool stopped = random() % 2 == 0;
          ASSERT_TRUE(stopped ? gateway_->stop().ok() : gateway_->flush().ok());
          if (!stopped) gateway_->crash();
          attach();
          break;
        }
        default:
          write(place(count), count);
      }
      if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(gateway_->flush().ok());
    expect_model();
    expect_sound();
    ASSERT_TRUE(gateway_->stop().ok());
    attach();
    expect_model();
    gateway_.reset();
    new_volume();
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace swiftness
