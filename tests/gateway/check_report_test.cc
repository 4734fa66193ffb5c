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

TEST(CheckReportJson, HasWhatOperationsPromises) {
  CheckReport report = sound();
  report.damage.push_back({CheckFinding::Kind::missing, "c/chunk/1", "missing", 8});
  report.orphans.push_back({{EraObject::Kind::root, {Epoch(1), {}}, 9}, {"m", "root/9"}, 2048});
  const json out = json_of(report, "data");
  EXPECT_EQ(out["volume"], "data");
  EXPECT_EQ(out["clean"], false);
  EXPECT_EQ(out["epoch"], 3);
  EXPECT_EQ(out["chunks"], 7);
  EXPECT_EQ(out["damage"], json::parse(R"([{"kind": "missing", "object": "c/chunk/1",
                                            "what": "missing", "bytes_hit": 4096}])"));
  EXPECT_EQ(out["orphans"],
            json::parse(R"([{"kind": "root", "object": "m/root/9", "bytes": 2048}])"));
  EXPECT_TRUE(out["in_doubt"].is_array());
  EXPECT_TRUE(out["removed"].is_array());
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
    VolumeOptions options;
    options.claim_settle = Duration::zero();
    Volume volume(io.get_executor(), *store, disk, options);
    CHECK(run(io, volume.attach()).ok());
    const BlockRange range{Lba(0), BlockCount(64)};
    BufferList data(Buffer::zeros(64 * 512));
    CHECK(run(io, volume.write(range, data, Durability::flushed, nullptr)).ok());
    CHECK(run(io, volume.stop()).ok());
  }

  std::filesystem::path objects() const { return folder_.path() / "objects"; }

  struct Outcome {
    int code;
    std::string out;
  };
  Outcome check(bool as_json, bool repair = false) {
    Common common;
    common.config = (folder_.path() / "gateway.yaml").native();
    common.json = as_json;
    testing::internal::CaptureStdout();
    const int code = volume_check(common, VolumeToCheck{"data", false, repair});
    return {code, testing::internal::GetCapturedStdout()};
  }
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
  const Outcome as_json = check(true, true);
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

TEST_F(VolumeCheckCommand, WrongWordsAreUsage) {
  Common common;
  EXPECT_EQ(volume_check(common, VolumeToCheck{"data"}), kUsage) << "no --config";
  common.config = (folder_.path() / "gateway.yaml").native();
  EXPECT_EQ(volume_check(common, VolumeToCheck{"NO NAME"}), kUsage);
  EXPECT_EQ(volume_check(common, VolumeToCheck{"other"}), kFailed) << "there is none";
}

}  // namespace
}  // namespace swiftness::cli
