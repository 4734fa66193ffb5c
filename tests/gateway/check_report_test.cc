// swiftness volume check: its words, its JSON, its exit code.
#include "target/cli/check_report.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "backend/store_config.h"
#include "backend/volume/volume.h"
#include "target/cli/commands.h"
#include "tests/gateway/temporary_folder.h"
#include "tests/support/run.h"

namespace swiftness::cli {
namespace {

using nlohmann::json;

CheckReport sound() {
  CheckReport report;
  report.log_read = true;
  report.epoch = 3;
  report.released = true;
  report.host = "gw1";
  report.chunks = 7;
  return report;
}

TEST(CheckReportText, SaysSoundOnlyOfWhatIsSound) {
  CheckReport report = sound();
  EXPECT_NE(text_of(report, "data").find("Volume data is sound.\n"), std::string::npos);
  EXPECT_EQ(exit_code_of(report), kDone);
  report.in_doubt.push_back({CheckFinding::Kind::missing, "c/chunk/1", "in doubt", 8});
  EXPECT_EQ(text_of(report, "data").find("is sound"), std::string::npos);
  EXPECT_EQ(exit_code_of(report), kFailed);
  report.damage.push_back({CheckFinding::Kind::frame, "c/chunk/2", "frame at unit 8", 8});
  const std::string text = text_of(report, "data");
  EXPECT_NE(text.find("damage: frame: c/chunk/2: frame at unit 8 (4 KiB of the disk)\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("in doubt: missing: c/chunk/1"), std::string::npos) << text;
  EXPECT_NE(text.find("Volume data is damaged.\n"), std::string::npos) << text;
}

TEST(CheckReportText, OrphansAreNoFaultButAFailedRepairIs) {
  CheckReport report = sound();
  report.orphans.push_back({{EraObject::Kind::chunk, {Epoch(1), {}}, 9}, {"c", "chunk/9"}, 2048});
  EXPECT_EQ(exit_code_of(report), kDone);
  EXPECT_NE(text_of(report, "data").find("1, 2 KiB"), std::string::npos);
  report.repair_refused = "not released";
  EXPECT_EQ(exit_code_of(report), kFailed);
  EXPECT_NE(text_of(report, "data").find("Nothing was removed: not released\n"), std::string::npos);
  report.repair_refused = "";
  report.repair_failures.push_back("c/chunk/9: no");
  EXPECT_EQ(exit_code_of(report), kFailed);
}

TEST(CheckReportText, SaysNothingOfWhatCouldNotBeRead) {
  CheckReport report;
  report.damage.push_back({CheckFinding::Kind::log, "", "no gateway can attach it", 0});
  EXPECT_EQ(text_of(report, "data"),
            "damage: log: no gateway can attach it\nVolume data is damaged.\n");
  report = {};
  report.log_read = true;
  EXPECT_NE(text_of(report, "data").find("never"), std::string::npos);
}

TEST(CheckReportText, WhatWasNotLookedAtIsNotSound) {
  CheckReport report = sound();
  report.unlisted = 3;
  EXPECT_EQ(exit_code_of(report), kFailed);
  EXPECT_EQ(text_of(report, "data").find("is sound"), std::string::npos);
  EXPECT_NE(text_of(report, "data").find("and 3 more suspicions\n"), std::string::npos);
  report = sound();
  report.quick = true;
  EXPECT_NE(text_of(report, "data").find("is sound, as far as headers tell"), std::string::npos);
}

// Every key of docs/OPERATIONS.md, each with a value of its own.
TEST(CheckReportJson, HasWhatOperationsPromises) {
  CheckReport report;
  report.quick = true;
  report.log_read = true;
  report.epoch = 3;
  report.released = true;
  report.host = "gw1";
  report.attaching = true;
  report.root = "m/root/3";
  report.last_chunk = 11;
  report.pages = 12;
  report.extents = 13;
  report.mapped_bytes = 14;
  report.chunks = 15;
  report.chunk_bytes = 16;
  report.frames = 17;
  report.deleted_chunks = 18;
  report.overcounted_bytes = 19;
  report.looked_again = 20;
  report.damage.push_back({CheckFinding::Kind::missing, "c/chunk/1", "missing", 8});
  report.in_doubt.push_back({CheckFinding::Kind::orphan_look, "", "no answer", 0});
  report.unlisted = 21;
  report.orphans.push_back({{EraObject::Kind::root, {Epoch(1), {}}, 9}, {"m", "root/9"}, 2048});
  report.orphans.push_back({{EraObject::Kind::map_object, {Epoch(1), {}}, 8}, {"m", "map/8"}, 1});
  report.more_orphans = 22;
  report.unfinished_claims = {2};
  report.removed.push_back({{EraObject::Kind::chunk, {Epoch(1), {}}, 7}, {"c", "chunk/7"}, 3});
  report.repair_failures.push_back("c/chunk/7: no");
  report.repair_refused = "not released";
  EXPECT_EQ(json_of(report, "data"), json::parse(R"({
    "volume": "data", "clean": false, "quick": true, "log_read": true, "epoch": 3, "released": true, "host": "gw1",
    "attaching": true, "root": "m/root/3", "last_chunk": 11, "pages": 12, "extents": 13,
    "mapped_bytes": 14, "chunks": 15, "chunk_bytes": 16, "frames": 17, "deleted_chunks": 18,
    "overcounted_bytes": 19, "looked_again": 20,
    "damage": [{"kind": "missing", "object": "c/chunk/1", "what": "missing", "bytes_hit": 4096}],
    "in_doubt": [{"kind": "orphan look", "object": "", "what": "no answer", "bytes_hit": 0}],
    "unlisted": 21,
    "orphans": [{"kind": "root", "object": "m/root/9", "bytes": 2048},
                {"kind": "map object", "object": "m/map/8", "bytes": 1}],
    "more_orphans": 22, "unfinished_claims": [2],
    "removed": [{"kind": "chunk", "object": "c/chunk/7", "bytes": 3}],
    "repair_refused": "not released", "repair_failures": ["c/chunk/7: no"]})"));
  EXPECT_EQ(json_of(sound(), "data")["clean"], true);
}

TEST(ProgressLine, FillsTheBar) {
  using Stage = CheckProgress::Stage;
  EXPECT_EQ(progress_line({Stage::chunks, 1, 4}, 8), "chunks   [##      ]  25 %  1 of 4");
  EXPECT_EQ(progress_line({Stage::map, 4, 4}, 8), "map      [########] 100 %  4 of 4");
  EXPECT_EQ(progress_line({Stage::map, 9, 4}, 8), "map      [########] 100 %  4 of 4");
  EXPECT_EQ(progress_line({Stage::orphans, 0, 0}, 8), "orphans  ...");
}

// The command itself, on a directory.
class VolumeCheckCommand : public testing::Test {
 protected:
  VolumeCheckCommand() {
    std::ofstream(folder_.path() / "gateway.yaml")
        << "gateway: { name: test, state_dir: " << (folder_.path() / "state").native() << " }\n"
        << "portals: [{ address: 127.0.0.1, port: 3260 }]\n"
        << "stores:\n  here: { type: directory, path: " << objects().native() << " }\n";
    asio::io_context io(1);
    std::unique_ptr<ObjectStore> store =
        std::move(*open_store(DirectoryStoreConfig{objects(), ""}, io.get_executor()));
    const VolumeDescriptor disk = *run(io, create_volume(*store, "data", ByteCount(64 << 20), 512));
    serve(io, *store, disk);
  }
  // One gateway's life.
  static void serve(asio::io_context& io, ObjectStore& store, const VolumeDescriptor& disk) {
    VolumeOptions options;
    options.claim_settle = Duration::zero();
    Volume volume(io.get_executor(), store, disk, options);
    CHECK(run(io, volume.attach()).ok());
    const BlockRange range{Lba(0), BlockCount(64)};
    BufferList data(Buffer::zeros(64 * 512));
    CHECK(run(io, volume.write(range, data, Durability::flushed, nullptr)).ok());
    CHECK(run(io, volume.stop()).ok());
  }
  // Two more lives leave behind what nothing refers to any more.
  void leave_orphans() {
    asio::io_context io(1);
    std::unique_ptr<ObjectStore> store =
        std::move(*open_store(DirectoryStoreConfig{objects(), ""}, io.get_executor()));
    const VolumeDescriptor disk = *run(io, find_volume(*store, "data"));
    for (int lives = 0; lives < 2; ++lives) serve(io, *store, disk);
  }
  // As if the last gateway had not ended properly.
  void forget_the_release() {
    asio::io_context io(1);
    std::unique_ptr<ObjectStore> store =
        std::move(*open_store(DirectoryStoreConfig{objects(), ""}, io.get_executor()));
    const VolumeNames names(run(io, find_volume(*store, "data"))->uuid);
    const ListPage page = *run(io, store->list(names.meta(), "released/", "", 100));
    const std::vector<ObjectName> newest{{names.meta(), page.entries.back().name}};
    CHECK(run(io, store->remove(newest)).ok());
  }

  std::filesystem::path objects() const { return folder_.path() / "objects"; }

  struct Outcome {
    int code;
    std::string out;
  };
  Outcome check(bool as_json, VolumeToCheck wanted = {"data"}, bool offline = false) {
    Common common;
    common.config = (folder_.path() / "gateway.yaml").native();
    common.json = as_json;
    common.offline = offline;
    testing::internal::CaptureStdout();
    const int code = volume_check(common, wanted);
    return {code, testing::internal::GetCapturedStdout()};
  }
  static VolumeToCheck quick() { return {"data", true}; }
  static VolumeToCheck repair() { return {"data", false, true, 0}; }
  // The one chunk of the volume, as the directory store keeps it.
  std::filesystem::path chunk() const {
    std::filesystem::path out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(objects())) {
      if (entry.is_regular_file() && entry.file_size() > 32 << 10) out = entry.path();
    }
    return out;
  }

  TemporaryFolder folder_;
};

TEST_F(VolumeCheckCommand, ASoundVolumeIsDone) {
  const Outcome text = check(false);
  EXPECT_EQ(text.code, kDone);
  EXPECT_NE(text.out.find("Volume data is sound."), std::string::npos) << text.out;
  const Outcome as_json = check(true, repair());
  EXPECT_EQ(as_json.code, kDone) << as_json.out;
  const json report = json::parse(as_json.out);
  EXPECT_EQ(report["clean"], true);
  EXPECT_EQ(report["mapped_bytes"], 64 * 512);
  EXPECT_EQ(report["released"], true);
}

TEST_F(VolumeCheckCommand, ADamagedVolumeIsAFailure) {
  ASSERT_FALSE(chunk().empty());
  std::filesystem::remove(chunk());
  const Outcome outcome = check(true);
  EXPECT_EQ(outcome.code, kFailed);
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["clean"], false);
  ASSERT_EQ(report["damage"].size(), 1u) << outcome.out;
  EXPECT_EQ(report["damage"][0]["kind"], "missing");
  EXPECT_EQ(report["damage"][0]["bytes_hit"], 64 * 512);
}

TEST_F(VolumeCheckCommand, QuickReadsNoFrames) {
  const json whole = json::parse(check(true).out);
  EXPECT_EQ(whole["quick"], false);
  EXPECT_GT(whole["frames"], 0);
  const json report = json::parse(check(true, quick()).out);
  EXPECT_EQ(report["quick"], true);
  EXPECT_EQ(report["frames"], 0);
}

TEST_F(VolumeCheckCommand, RepairRemovesOrphansOfAReleasedVolume) {
  leave_orphans();
  const json before = json::parse(check(true).out);
  ASSERT_GT(before["orphans"].size(), 0u);
  EXPECT_EQ(before["removed"].size(), 0u);
  const Outcome outcome = check(true, repair());
  EXPECT_EQ(outcome.code, kDone) << outcome.out;
  EXPECT_EQ(json::parse(outcome.out)["removed"], before["orphans"]);
  EXPECT_EQ(json::parse(check(true).out)["orphans"].size(), 0u);
}

TEST_F(VolumeCheckCommand, RepairNeedsOfflineForOneThatWasNotReleased) {
  leave_orphans();
  forget_the_release();
  Outcome outcome = check(false, repair());
  EXPECT_EQ(outcome.code, kFailed);
  EXPECT_NE(outcome.out.find("Nothing was removed: the volume was not released"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("--offline"), std::string::npos) << "what to do: " << outcome.out;
  EXPECT_EQ(check(false, {"data"}, true).out.find("Removed"), std::string::npos);
  outcome = check(false, repair(), true);
  EXPECT_EQ(outcome.code, kDone) << outcome.out;
  EXPECT_NE(outcome.out.find("Removed"), std::string::npos) << outcome.out;
}

TEST_F(VolumeCheckCommand, WrongWordsAreUsage) {
  Common common;
  EXPECT_EQ(volume_check(common, VolumeToCheck{"data"}), kUsage) << "no --config";
  common.config = (folder_.path() / "gateway.yaml").native();
  EXPECT_EQ(volume_check(common, VolumeToCheck{"NO NAME"}), kUsage);
  EXPECT_EQ(volume_check(common, VolumeToCheck{"other"}), kFailed) << "there is none";
}

}  // namespace
}  // namespace swiftness::cli
