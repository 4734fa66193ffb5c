// A gateway as a process of its own, and initiators that talk to it with libiscsi: for sequences
// that must not depend on our own understanding of iSCSI. Tests only; everything blocks, and
// belongs to one thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/buffer.h"
#include "tests/gateway/temporary_folder.h"

struct iscsi_context;

namespace swiftness::test {

inline constexpr std::string_view kIqn = "iqn.2026-11.org.swiftness:one";
inline constexpr std::string_view kOtherIqn = "iqn.2026-11.org.swiftness:two";
inline constexpr uint32_t kBlockBytes = 512;

using Cdb = std::array<uint8_t, 16>;

// Bytes, then zeros.
Cdb cdb(std::initializer_list<int> bytes);
inline const Cdb kTestUnitReady = cdb({});
Cdb read16(uint64_t lba, uint32_t blocks);
Cdb write16(uint64_t lba, uint32_t blocks);

// swiftnessd in a folder of its own, with a portal of group 1 on 127.0.0.1 and one of group 2 on
// 127.0.0.2, and two open targets, each with one volume of 2 GiB as logical unit 0. It ends with
// the test.
class GatewayProcess {
 public:
  GatewayProcess();
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;
  ~GatewayProcess() { kill(); }

  // More keys of the first target in the file: "alua: { 2: standby }".
  void configure(const std::string& keys);
  void start();              // and waits until the volumes are attached
  void kill();               // SIGKILL, as a crash
  void reload();             // of the file as it is now
  void wait_until_stored();  // nothing that was written is on its way to the store any more
  uint16_t port() const { return port_; }

 private:
  std::filesystem::path socket() const { return folder_.path() / "state" / "admin.sock"; }

  TemporaryFolder folder_;
  uint16_t port_;
  pid_t pid_ = -1;
};

struct Answer {
  int status = -1;      // of SCSI; -1: there was none
  std::string sense{};  // "06/2a/05"; empty unless CHECK CONDITION
  Bytes data{};
  std::chrono::duration<double> took{};

  std::string outcome() const;  // "good", "reservation conflict", "06/2a/05", "status 8"
};

struct InitiatorOptions {
  std::string name = "iqn.2026-11.org.swiftness.test:initiator";
  int port = 1;  // of the initiator: which ISID
  std::string portal = "127.0.0.1";
  std::string_view target = kIqn;
};

// One session with logical unit 0 of a target. It has been told of the power on, or what the
// gateway had to tell of it.
class Initiator {
 public:
  Initiator(const GatewayProcess& gateway, const InitiatorOptions& options);
  Initiator(const Initiator&) = delete;
  Initiator& operator=(const Initiator&) = delete;
  ~Initiator();

  Answer send(const Cdb& cdb);  // no data
  Answer ask(const Cdb& cdb, uint32_t length);
  Answer give(const Cdb& cdb, Bytes data);

  std::string ready() { return send(kTestUnitReady).outcome(); }
  // Whole MiB, of bytes that tell their place and the seed; and are they what they then are?
  std::string fill(uint64_t mebibyte, uint32_t mebibytes, int seed);
  bool has(uint64_t mebibyte, uint32_t mebibytes, int seed, uint64_t filled_from);
  bool is_zero(uint64_t mebibyte, uint32_t mebibytes);

 private:
  Answer run(const Cdb& cdb, int direction, uint32_t length, Bytes data);

  iscsi_context* context_;
};

}  // namespace swiftness::test
