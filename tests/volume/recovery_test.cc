// Roll-forward (I8): what may be taken for the end of the log, and what never.
#include "backend/volume/recovery.h"

#include <gtest/gtest.h>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

class RecoveryTest : public testing::Test {
 protected:
  // Chunks in the store of the first data container, by name.
  std::vector<std::string> chunk_names() {
    ListPage page = *shared_.contents->list(container(), "chunk/", "", 1000);
    std::vector<std::string> names;
    for (const ListPage::Entry& entry : page.entries) names.push_back(entry.name);
    return names;
  }
  std::string container() const { return VolumeNames(disk_.uuid).data(Sequence(1)); }
  void remove_chunk(const std::string& name) {
    RemoveReport report = shared_.contents->remove({{container(), name}});
    ASSERT_TRUE(report.failures.empty());
  }
  // `count` chunks, one write each, each durable before the next is sealed.
  void write_chunks(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      ASSERT_TRUE(writer_.write(i * 10, 10, i + 1).ok());
      ASSERT_TRUE(writer_.flush().ok());
    }
  }

  SharedStore shared_;
  VolumeDescriptor disk_ = shared_.create(64 * kMiB);
  Gateway writer_{shared_, disk_, 1};
};

// Pitfall 1: an error is not the end of the log.
TEST_F(RecoveryTest, AnErrorInRollForwardEndsTheAttemptNotTheLog) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(5);
  writer_.crash();
  Gateway reader(shared_, disk_, 2);
  reader.store.fail_next(StoreCall::get, "chunk/", 1);
  ASSERT_FALSE(reader.attach().ok());
  ASSERT_TRUE(reader.attach().ok());
  for (uint64_t i = 0; i < 5; ++i) EXPECT_TRUE(reader.holds(i * 10, 10, i + 1));
}

TEST_F(RecoveryTest, AFalse404IsNotTheEndOfTheLog) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(5);
  writer_.crash();
  Gateway reader(shared_, disk_, 2);
  reader.store.fail_next(StoreCall::get, "chunk/", 1, ErrorCode::not_found);
  ASSERT_FALSE(reader.attach().ok());
  ASSERT_TRUE(reader.attach().ok());
  EXPECT_TRUE(reader.holds(40, 10, 5));
}

// What its era's successor published does not end where one answer says that it is not there.
TEST_F(RecoveryTest, AFalse404DoesNotEndAnEraThatWasClosed) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(5);
  writer_.crash();
  Gateway successor(shared_, disk_, 2);
  ASSERT_TRUE(successor.attach().ok());
  successor.crash();  // before it wrote anything: behind a shorter log nothing would show the gap
  Gateway reader(shared_, disk_, 3);
  reader.store.fail_next(StoreCall::get, chunk_names()[2], 1, ErrorCode::not_found);
  Result<void> attached = reader.attach();
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().code(), ErrorCode::unavailable);
  ASSERT_TRUE(reader.attach().ok());
  for (uint64_t i = 0; i < 5; ++i) EXPECT_TRUE(reader.holds(i * 10, 10, i + 1));
}

TEST_F(RecoveryTest, DoubtAboutTheEndStopsTheAttach) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(2);
  writer_.crash();
  Gateway reader(shared_, disk_, 2);
  reader.store.fail_next(StoreCall::presence, "chunk/", 1);
  EXPECT_EQ(reader.attach().error().code(), ErrorCode::unavailable);
}

TEST_F(RecoveryTest, AMissingChunkThatWasDurableIsDamage) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(5);
  writer_.crash();
  remove_chunk(chunk_names()[2]);
  Gateway reader(shared_, disk_, 2);
  Result<void> attached = reader.attach();
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().code(), ErrorCode::corrupt);
}

// A writer that does not know yet that it was fenced fills the gap while the names are looked at,
// and tells so in the next chunk.
TEST_F(RecoveryTest, AChunkThatCameBetweenTwoLooksIsNotDamage) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(2);
  const Era era = parse_era_object(chunk_names()[0])->era;
  Gateway reader(shared_, disk_, 2);
  reader.store.hold_rest(VolumeNames(disk_.uuid).chunk(era, Sequence(4)).name);
  Started<Result<void>> attached(shared_.io, reader.volume.attach());
  run_until(shared_.io, [&] { return reader.store.held() > 0; });
  for (uint64_t i = 2; i < 4; ++i) {
    ASSERT_TRUE(writer_.write(i * 10, 10, i + 1).ok());
    run_until(shared_.io, [&] { return writer_.volume.status().durable_sequence == i + 1; });
  }
  reader.store.release();
  run_until(shared_.io, [&] { return attached.done(); });
  ASSERT_FALSE(attached.result().ok());
  EXPECT_EQ(attached.result().error().code(), ErrorCode::unavailable);
  ASSERT_TRUE(reader.attach().ok());
  for (uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(reader.holds(i * 10, 10, i + 1));
}

TEST_F(RecoveryTest, AGapThatNobodyProvesIsTheEnd) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(2);
  // Three chunks under way at once; the first of them never arrives.
  writer_.store.hold(StoreCall::put, "chunk/");
  for (uint64_t i = 2; i < 5; ++i) {
    ASSERT_TRUE(writer_.write(i * 10, 10, i + 1).ok());
    run_until(shared_.io, [&] { return writer_.volume.status().newest_sequence > i; });
  }
  run_until(shared_.io, [&] { return writer_.store.held() >= 3; });
  writer_.store.release();
  run_until(shared_.io, [&] { return writer_.volume.status().durable_sequence == 5; });
  writer_.crash();
  remove_chunk(chunk_names()[2]);
  Gateway reader(shared_, disk_, 2);
  ASSERT_TRUE(reader.attach().ok());
  EXPECT_TRUE(reader.holds(10, 10, 2));
  EXPECT_TRUE(reader.holds_zeros(20, 30)) << "what came after the gap was never acknowledged";
  // And the log goes on from there without ever seeing the old tail again.
  ASSERT_TRUE(reader.write(20, 10, 9).ok());
  ASSERT_TRUE(reader.flush().ok());
  reader.crash();
  Gateway later(shared_, disk_, 3);
  ASSERT_TRUE(later.attach().ok());
  EXPECT_TRUE(later.holds(20, 10, 9));
  EXPECT_TRUE(later.holds_zeros(30, 20));
}

TEST_F(RecoveryTest, ADamagedHeaderIsDamageNotTheEnd) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(4);
  writer_.crash();
  ObjectName name{container(), chunk_names()[1]};
  Buffer whole = *shared_.contents->get(name, ByteRange::whole());
  Buffer damaged = Buffer::copy_of(whole.bytes());
  damaged.writable()[60] ^= std::byte{1};
  ASSERT_TRUE(shared_.contents->put(name, BufferList(damaged), {}).ok());
  Gateway reader(shared_, disk_, 2);
  EXPECT_EQ(reader.attach().error().code(), ErrorCode::corrupt);
}

TEST_F(RecoveryTest, AChunkThatDoesNotFollowTheOneBeforeIsDamage) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(3);
  writer_.crash();
  ObjectName name{container(), chunk_names()[1]};
  Buffer whole = *shared_.contents->get(name, ByteRange::whole());
  ChunkHeader header = *decode_chunk_header(disk_.uuid, whole.bytes());
  header.previous_hash[0] ^= std::byte{1};
  const Bytes forged = encode(disk_.uuid, header);  // sound in itself
  Buffer other = Buffer::copy_of(whole.bytes());
  std::copy(forged.begin(), forged.end(), other.writable().begin());
  ASSERT_TRUE(shared_.contents->put(name, BufferList(other), {}).ok());
  Gateway reader(shared_, disk_, 2);
  Result<void> attached = reader.attach();
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().code(), ErrorCode::corrupt);
}

TEST_F(RecoveryTest, AnUnprovenTailIsWrittenAgainAsItWas) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(3);
  writer_.crash();
  const std::string last = chunk_names().back();
  Buffer before = *shared_.contents->get({container(), last}, ByteRange::whole());
  Gateway reader(shared_, disk_, 2);
  reader.store.fail_next(StoreCall::put, last, 1);
  ASSERT_FALSE(reader.attach().ok()) << "a tail that cannot be proven stops the attach";
  ASSERT_TRUE(reader.attach().ok());
  Buffer after = *shared_.contents->get({container(), last}, ByteRange::whole());
  EXPECT_TRUE(BufferList(before) == BufferList(after));
}

TEST_F(RecoveryTest, ADamagedRootIsPassedOverForTheOneBefore) {
  VolumeOptions options = quick_options();
  options.checkpoint_every = 2;
  Gateway writer(shared_, disk_, 5, options);
  ASSERT_TRUE(writer.attach().ok());
  for (uint64_t i = 0; i < 9; ++i) {
    ASSERT_TRUE(writer.write(i * 10, 10, i + 1).ok());
    ASSERT_TRUE(writer.flush().ok());
  }
  ASSERT_TRUE(writer.stop().ok());
  const std::string meta = VolumeNames(disk_.uuid).meta();
  ListPage roots = *shared_.contents->list(meta, "root/", "", 100);
  ASSERT_GE(roots.entries.size(), 2u);
  ObjectName newest{meta, roots.entries.back().name};
  ASSERT_TRUE(shared_.contents->put(newest, BufferList(Buffer::copy_of("rubbish")), {}).ok());
  Gateway reader(shared_, disk_, 6);
  ASSERT_TRUE(reader.attach().ok());
  for (uint64_t i = 0; i < 9; ++i) EXPECT_TRUE(reader.holds(i * 10, 10, i + 1));
}

TEST_F(RecoveryTest, ABitThatFlippedOnItsWayIsNotDamage) {
  ASSERT_TRUE(writer_.attach().ok());
  FaultOptions noisy;
  noisy.corrupt_read = 0.2;
  writer_.store.set_options(noisy);
  const VolumeObjects objects{writer_.store, disk_, VolumeNames(disk_.uuid)};
  int damaged = 0;
  for (int i = 0; i < 200; ++i) {
    Result<Head> head = run(
        shared_.io, read_record<Head>(objects, objects.names.head(), decode_head, GetOptions{}));
    damaged += head ? 0 : 1;
  }
  writer_.store.set_options({});
  EXPECT_LT(damaged, 20) << "both reads of 4 in 100";
}

// What is behind it may be deleted by now: without any root a volume would be attached with a part
// of its log, which ends where the first chunk was cleaned away.
TEST_F(RecoveryTest, WithEveryRootDamagedNothingIsGuessed) {
  VolumeOptions options = quick_options();
  options.checkpoint_every = 100;
  Gateway writer(shared_, disk_, 5, options);
  ASSERT_TRUE(writer.attach().ok());
  ASSERT_TRUE(writer.write(0, 10, 1).ok());
  ASSERT_TRUE(writer.stop().ok());
  const std::string meta = VolumeNames(disk_.uuid).meta();
  ListPage roots = *shared_.contents->list(meta, "root/", "", 100);
  ASSERT_EQ(roots.entries.size(), 1u);
  ObjectName only{meta, roots.entries.back().name};
  const Buffer sound = *shared_.contents->get(only, ByteRange::whole());
  ASSERT_TRUE(shared_.contents->put(only, BufferList(Buffer::copy_of("rubbish")), {}).ok());
  Gateway reader(shared_, disk_, 6);
  Result<void> attached = reader.attach();
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().code(), ErrorCode::corrupt);
  ASSERT_TRUE(shared_.contents->put(only, BufferList(sound), {}).ok());
  ASSERT_TRUE(reader.attach().ok());
  EXPECT_TRUE(reader.holds(0, 10, 1));
}

TEST_F(RecoveryTest, TheHintMayBeLostOrBroken) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(2);
  ASSERT_TRUE(writer_.stop().ok());
  ObjectName head = VolumeNames(disk_.uuid).head();
  for (bool broken : {false, true}) {
    RemoveReport report = shared_.contents->remove({head});
    ASSERT_TRUE(report.failures.empty());
    if (broken) {
      ASSERT_TRUE(shared_.contents->put(head, BufferList(Buffer::copy_of("?")), {}).ok());
    }
    Gateway reader(shared_, disk_, 7);
    ASSERT_TRUE(reader.attach().ok());
    EXPECT_TRUE(reader.holds(10, 10, 2));
    reader.crash();
  }
}

TEST_F(RecoveryTest, AChunkOfAnotherVolumeIsRefused) {
  ASSERT_TRUE(writer_.attach().ok());
  write_chunks(2);
  writer_.crash();
  ObjectName name{container(), chunk_names()[1]};
  Buffer whole = *shared_.contents->get(name, ByteRange::whole());
  VolumeDescriptor other = disk_;
  other.uuid = Uuid::random();
  EXPECT_EQ(decode_chunk_header(other.uuid, whole.bytes()).error().code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace swiftness
