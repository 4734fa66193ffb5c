// Persistent reservations and RESERVE of SPC-2, as three initiators meet them.
#include "target/scsi/reservations.h"

#include "backend/base/endian.h"
#include "target/scsi/command_table.h"
#include "target/scsi/reservation_data.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr const char* kConflict = "status 24";
constexpr uint64_t kKeyA = 0xa1, kKeyB = 0xb2, kKeyC = 0xc3;
constexpr int kPersist = 0x01, kAllTargetPorts = 0x04, kSpecifyPorts = 0x08;  // flags of the list

enum Action { kRegister, kReserve, kRelease, kClear, kPreempt, kPreemptAndAbort, kIgnore, kMove };
enum Type { kWe = 1, kEa = 3, kWeRo = 5, kEaRo = 6, kWeAr = 7, kEaAr = 8 };

class Reservation : public ScsiTest {
 protected:
  void start_with_three(LogicalUnitOptions options = {}) {
    if (options.target_ports.empty()) options.target_ports = {{"t1", 1, 1}, {"t2", 2, 2}};
    start(std::move(options), nexus_options('a'));
    a_ = nexus_;
    b_ = log_in(nexus_options('b'));
    c_ = log_in(nexus_options('c'));
  }
  static NexusOptions nexus_options(char who, uint16_t port = 1) {
    NexusOptions options;
    options.initiator_port = std::string("iqn.x:") + who + ",i,0x800000000001";
    options.target_port = {"t" + std::to_string(port), port, port};
    return options;
  }

  static Bytes list_of(uint64_t key, uint64_t service_key, int flags = 0) {
    Bytes list(24);
    store_be(&list[0], key);
    store_be(&list[8], service_key);
    list[20] = static_cast<std::byte>(flags);
    return list;
  }
  std::string out(NexusId nexus, Action action, int type, Bytes list) {
    const int size = static_cast<int>(list.size());
    return sense_of(cdb({0x5f, action, type, 0, 0, 0, 0, size >> 8, size & 0xff}),
                    Buffer::own(std::move(list)), nexus);
  }
  std::string out(NexusId nexus, Action action, int type, uint64_t key, uint64_t service_key = 0,
                  int flags = 0) {
    return out(nexus, action, type, list_of(key, service_key, flags));
  }
  std::string in(int action, std::optional<NexusId> nexus = {}) {
    return hex(send(cdb({0x5e, action, 0, 0, 0, 0, 0, 0x10, 0}), {}, nexus).data_in);
  }
  void register_all() {
    EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
    EXPECT_EQ(out(b_, kRegister, 0, 0, kKeyB), kGood);
    EXPECT_EQ(out(c_, kRegister, 0, 0, kKeyC), kGood);
  }
  // The unit attention of a nexus, or kGood.
  std::string told(NexusId nexus) { return sense_of(kTestUnitReady, {}, nexus); }
  std::string read(NexusId nexus) { return sense_of(kRead, {}, nexus); }
  std::string write(NexusId nexus) { return sense_of(kWrite, pattern(512, 0), nexus); }
  // The reservation as READ RESERVATION tells it: key and type, or "none".
  std::string reserved() {
    const std::string data = in(1);
    if (data.size() == 16) return "none";
    return data.substr(28, 4) + "/" + data.substr(42, 2);
  }

  NexusId a_, b_, c_;
};

// ---- registering ------------------------------------------------------------------------------

TEST_F(Reservation, KeysAreRegisteredChangedAndGivenBack) {
  start_with_three();
  EXPECT_EQ(in(0), squeezed("00000000 00000000"));
  EXPECT_EQ(out(a_, kRegister, 0, kKeyA, kKeyA), kConflict) << "there is no key yet";
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(b_, kRegister, 0, 0, kKeyB), kGood);
  EXPECT_EQ(in(0), squeezed("00000002 00000010 00000000000000a1 00000000000000b2"));
  EXPECT_EQ(out(a_, kRegister, 0, kKeyB, 0x55), kConflict) << "another's key";
  EXPECT_EQ(out(a_, kRegister, 0, 0, 0x55), kConflict);
  EXPECT_EQ(out(a_, kRegister, 0, kKeyA, 0x55), kGood);
  EXPECT_EQ(in(0), squeezed("00000003 00000010 0000000000000055 00000000000000b2"));
  EXPECT_EQ(out(a_, kRegister, 0, 0x55, 0), kGood);
  EXPECT_EQ(out(b_, kIgnore, 0, 0x77, 0), kGood) << "the key given does not matter";
  EXPECT_EQ(in(0), squeezed("00000005 00000000"));
  EXPECT_EQ(out(a_, kRegister, 0, 0, 0), kGood) << "nothing to do";
  EXPECT_EQ(out(a_, kIgnore, 0, 0x99, kKeyA), kGood);
  EXPECT_EQ(in(0), squeezed("00000006 00000008 00000000000000a1"));
}

TEST_F(Reservation, RegistrationsBelongToNexusesNotToSessions) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kGood);
  router_.detach(a_);
  EXPECT_EQ(read(b_), kConflict);
  NexusId again = log_in(nexus_options('a'));
  EXPECT_EQ(read(again), kGood);
  NexusId upper_case =
      log_in({.initiator_port = "IQN.X:a,i,0x800000000001", .target_port = {"t1", 1, 1}});
  EXPECT_EQ(read(upper_case), kGood) << "iSCSI names compare without regard to case";
  NexusId other_port = log_in(nexus_options('a', 2));
  EXPECT_EQ(read(other_port), kConflict) << "another target port is another nexus";
}

TEST_F(Reservation, AResetLeavesThemAlone) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  router_.reset(lun_to_field(0), b_);
  for (NexusId nexus : {a_, b_, c_}) EXPECT_EQ(told(nexus), "06/29/03");
  EXPECT_EQ(reserved(), "00a1/01");
  EXPECT_EQ(write(b_), kConflict);
}

TEST_F(Reservation, ThroughAllTargetPortsAtOnce) {
  start_with_three();
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA, kAllTargetPorts), kGood);
  EXPECT_EQ(in(0), squeezed("00000001 00000010 00000000000000a1 00000000000000a1"));
  NexusId other_port = log_in(nexus_options('a', 2));
  EXPECT_EQ(out(other_port, kReserve, kEa, kKeyA), kGood);
  EXPECT_EQ(read(a_), kConflict) << "each is a nexus of its own";
  EXPECT_EQ(out(other_port, kRegister, 0, kKeyA, 0, kAllTargetPorts), kGood);
  EXPECT_EQ(in(0), squeezed("00000002 00000000"));
}

TEST_F(Reservation, ForOtherInitiatorPorts) {
  start_with_three();
  Bytes list = list_of(0, kKeyA, kSpecifyPorts);
  const Bytes b = transport_id_of("iqn.x:b,i,0x800000000001");
  list.resize(28);
  store_be(&list[24], static_cast<uint32_t>(b.size()));
  list.insert(list.end(), b.begin(), b.end());
  EXPECT_EQ(out(a_, kRegister, 0, list), kGood);
  EXPECT_EQ(out(b_, kReserve, kWeRo, kKeyA), kGood) << "it has the key";
  EXPECT_EQ(write(a_), kGood);
  EXPECT_EQ(write(c_), kConflict);
  EXPECT_EQ(out(c_, kRegister, 0, list), kConflict) << "b is registered already";
  Bytes ignoring = list;
  EXPECT_EQ(out(c_, kIgnore, 0, ignoring), "05/1a/00");
  list.pop_back();
  EXPECT_EQ(out(c_, kRegister, 0, list), "05/1a/00");
  Bytes self = list_of(0, kKeyC, kSpecifyPorts);
  const Bytes c = transport_id_of("iqn.x:c,i,0x800000000001");
  self.resize(28);
  store_be(&self[24], static_cast<uint32_t>(c.size()));
  self.insert(self.end(), c.begin(), c.end());
  EXPECT_EQ(out(c_, kRegister, 0, self), "05/26/00") << "itself";
  self[28] = std::byte{0x05};  // format 00b: a device, no port
  EXPECT_EQ(out(c_, kRegister, 0, self), "05/26/00");
}

TEST_F(Reservation, ListsOfTheWrongLengthAreRefused) {
  start_with_three();
  for (size_t size : {0u, 8u, 23u, 25u}) {
    Bytes list = list_of(0, kKeyA);
    list.resize(size);
    EXPECT_EQ(out(a_, kRegister, 0, list), "05/1a/00") << size;
  }
  for (int action = 8; action < 32; ++action) {
    EXPECT_EQ(sense_of(cdb({0x5f, action, 0, 0, 0, 0, 0, 0, 24}), Buffer::zeros(24), a_),
              "05/24/00");
  }
}

// ---- what each type allows --------------------------------------------------------------------

struct Rights {
  Type type;
  const char* registered_read;
  const char* registered_write;
  const char* stranger_read;
  const char* stranger_write;
};

TEST_F(Reservation, EachTypeAllowsWhatItSays) {
  start_with_three();
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(b_, kRegister, 0, 0, kKeyB), kGood);
  for (const Rights& rights : {Rights{kWe, kGood, kConflict, kGood, kConflict},
                               Rights{kEa, kConflict, kConflict, kConflict, kConflict},
                               Rights{kWeRo, kGood, kGood, kGood, kConflict},
                               Rights{kEaRo, kGood, kGood, kConflict, kConflict},
                               Rights{kWeAr, kGood, kGood, kGood, kConflict},
                               Rights{kEaAr, kGood, kGood, kConflict, kConflict}}) {
    EXPECT_EQ(out(a_, kReserve, rights.type, kKeyA), kGood);
    EXPECT_EQ(read(a_), kGood) << rights.type;
    EXPECT_EQ(write(a_), kGood) << rights.type;
    EXPECT_EQ(read(b_), rights.registered_read) << rights.type;
    EXPECT_EQ(write(b_), rights.registered_write) << rights.type;
    EXPECT_EQ(read(c_), rights.stranger_read) << rights.type;
    EXPECT_EQ(write(c_), rights.stranger_write) << rights.type;
    EXPECT_EQ(out(a_, kRelease, rights.type, kKeyA), kGood);
    told(b_);
  }
  for (int type : {0, 2, 4, 9, 15, 0x13, 0x21}) {
    EXPECT_EQ(out(a_, kReserve, type, kKeyA), "05/24/00") << type;
  }
}

// Every command against Write Exclusive and Exclusive Access of another nexus, SPC-5 table 70 and
// SBC-4 table 14. A command that is new must say here how it fares.
TEST_F(Reservation, EveryCommandFaresAsTheTablesSay) {
  start_with_three();
  const std::string always =
      " TEST UNIT READY, REQUEST SENSE, INQUIRY, REPORT LUNS, READ CAPACITY(10), READ CAPACITY(16),"
      " RESERVE(6), RELEASE(6), RESERVE(10), RELEASE(10), READ KEYS, READ RESERVATION,"
      " REPORT CAPABILITIES, READ FULL STATUS, REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT,"
      " PREEMPT AND ABORT, REGISTER AND IGNORE EXISTING KEY, REGISTER AND MOVE, LOG SENSE,"
      " REPORT TARGET PORT GROUPS, REPORT IDENTIFYING INFORMATION, PREVENT ALLOW MEDIUM REMOVAL,";
  const std::string reads =
      " READ(6), READ(10), READ(12), READ(16), MODE SENSE(6), MODE SENSE(10), PRE-FETCH(10),"
      " PRE-FETCH(16), VERIFY(10), VERIFY(12), VERIFY(16), GET LBA STATUS(16),"
      " RECEIVE DIAGNOSTIC RESULTS, READ DEFECT DATA(10), READ DEFECT DATA(12), READ BUFFER(10),"
      " REPORT SUPPORTED OPERATION CODES, REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, POPULATE "
      "TOKEN,";
  const std::string conflicts =
      " WRITE(6), WRITE(10), WRITE(12), WRITE(16), MODE SELECT(6), MODE SELECT(10),"
      " START STOP UNIT, WRITE AND VERIFY(10), WRITE AND VERIFY(12), WRITE AND VERIFY(16),"
      " SYNCHRONIZE CACHE(10), SYNCHRONIZE CACHE(16), WRITE SAME(10), WRITE SAME(16), UNMAP,"
      " COMPARE AND WRITE, ORWRITE(16), WRITE ATOMIC(16), FORMAT UNIT, SANITIZE BLOCK ERASE,"
      " SANITIZE EXIT FAILURE MODE, SEND DIAGNOSTIC, WRITE "
      "BUFFER, SET IDENTIFYING INFORMATION, EXTENDED COPY(LID1), EXTENDED COPY(LID4),"
      " SET TARGET PORT GROUPS, WRITE USING TOKEN, COPY OPERATION ABORT, RECEIVE COPY "
      "STATUS(LID1), RECEIVE COPY "
      "DATA(LID1),"
      " RECEIVE COPY OPERATING PARAMETERS, RECEIVE COPY FAILURE DETAILS(LID1),"
      " RECEIVE COPY STATUS(LID4), RECEIVE ROD TOKEN INFORMATION,";
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  for (Type type : {kWe, kEa}) {
    EXPECT_EQ(out(a_, kReserve, type, kKeyA), kGood);
    for (const CommandDescriptor& command : all_commands()) {
      const std::string name = " " + std::string(command.name) + ",";
      Cdb sent{};
      sent[0] = command.opcode;
      sent[1] = command.service_action.value_or(0);
      const bool conflicted = sense_of(sent, {}, c_) == kConflict;
      if (always.find(name) != std::string::npos) {
        const bool judged_itself = command.opcode == 0x5f || command.opcode == 0x16 ||
                                   command.opcode == 0x17 || command.opcode == 0x56 ||
                                   command.opcode == 0x57;
        EXPECT_TRUE(!conflicted || judged_itself) << name;
      } else if (reads.find(name) != std::string::npos) {
        EXPECT_EQ(conflicted, type == kEa) << name;
      } else {
        EXPECT_TRUE(conflicted) << name;
        EXPECT_NE(conflicts.find(name), std::string::npos) << name << " is in no list";
      }
    }
    EXPECT_EQ(out(a_, kRelease, type, kKeyA), kGood);
  }
}

TEST_F(Reservation, StartingIsHarmlessStoppingIsNotAndSoWithRemoval) {
  start_with_three();
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kGood);
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 1}), {}, b_), kGood);
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 0}), {}, b_), kConflict);
  EXPECT_EQ(sense_of(cdb({0x1e, 0, 0, 0, 0}), {}, b_), kGood) << "allowing removal";
  EXPECT_EQ(sense_of(cdb({0x1e, 0, 0, 0, 1}), {}, b_), kConflict) << "preventing it";
}

TEST_F(Reservation, AReservationThatComesWhileACommandWaitsCountsForIt) {
  start_with_three();
  register_all();
  device_.hang();
  auto reading = begin(command(kRead, 0, a_, 0));
  Command ordered = command(kWrite, 512, b_, 0);
  ordered.attribute = TaskAttribute::ordered;
  auto writing = begin(ordered, BufferList(pattern(512, 1)));
  Command urgent = command(cdb({0x5f, kReserve, kWe, 0, 0, 0, 0, 0, 24}), 24, a_, 0);
  urgent.attribute = TaskAttribute::head_of_queue;
  auto reserving = begin(urgent, BufferList(Buffer::own(list_of(kKeyA, 0))));
  EXPECT_TRUE(reserving->done());
  device_.release();
  turn();
  ASSERT_TRUE(reading->done() && writing->done());
  EXPECT_EQ(writing->result->status, Status::reservation_conflict);
}

// ---- reserving and releasing ------------------------------------------------------------------

TEST_F(Reservation, OnlyAHolderMayReserveAgainAndOnlyTheSame) {
  start_with_three();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kConflict) << "not registered";
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyB), kConflict) << "not its key";
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kConflict);
  EXPECT_EQ(out(b_, kReserve, kWe, kKeyB), kConflict);
  EXPECT_EQ(reserved(), "00a1/01");
  EXPECT_EQ(in(0).substr(0, 8), "00000003") << "PRGENERATION does not count reservations";
}

TEST_F(Reservation, ReleasingTellsThoseWhoMayGoOn) {
  start_with_three();
  register_all();
  for (Type type : {kWe, kEa, kWeRo, kEaRo, kWeAr, kEaAr}) {
    EXPECT_EQ(out(a_, kReserve, type, kKeyA), kGood);
    EXPECT_EQ(out(a_, kRelease, type == kWe ? kEa : kWe, kKeyA), "05/26/04");
    EXPECT_EQ(out(a_, kRelease, type, kKeyA), kGood);
    EXPECT_EQ(reserved(), "none");
    const char* expected = type == kWe || type == kEa ? kGood : "06/2a/04";
    EXPECT_EQ(told(b_), expected) << type;
    EXPECT_EQ(told(c_), expected) << type;
    EXPECT_EQ(told(a_), kGood);
  }
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(b_, kRelease, kWe, kKeyB), kGood) << "not its own: nothing happens";
  EXPECT_EQ(reserved(), "00a1/01");
}

TEST_F(Reservation, AHolderThatUnregistersReleases) {
  start_with_three();
  for (Type type : {kWe, kWeRo}) {
    EXPECT_EQ(out(a_, kIgnore, 0, 0, kKeyA), kGood);
    EXPECT_EQ(out(b_, kIgnore, 0, 0, kKeyB), kGood);
    EXPECT_EQ(out(a_, kReserve, type, kKeyA), kGood);
    EXPECT_EQ(out(b_, kRegister, 0, kKeyB, 0), kGood);
    EXPECT_EQ(out(b_, kRegister, 0, 0, kKeyB), kGood);
    EXPECT_NE(reserved(), "none") << "it was not b's";
    EXPECT_EQ(out(a_, kRegister, 0, kKeyA, 0), kGood);
    EXPECT_EQ(reserved(), "none");
    EXPECT_EQ(told(b_), type == kWe ? kGood : "06/2a/04");
  }
}

TEST_F(Reservation, OfAllRegistrantsTheLastReleases) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kEaAr, kKeyA), kGood);
  EXPECT_EQ(reserved(), "0000/08") << "it is nobody's key";
  EXPECT_EQ(out(b_, kReserve, kEaAr, kKeyB), kGood) << "all of them hold it";
  EXPECT_EQ(out(a_, kRegister, 0, kKeyA, 0), kGood);
  EXPECT_EQ(reserved(), "0000/08");
  EXPECT_EQ(read(a_), kConflict);
  EXPECT_EQ(out(b_, kRegister, 0, kKeyB, 0), kGood);
  EXPECT_EQ(out(c_, kRegister, 0, kKeyC, 0), kGood);
  EXPECT_EQ(reserved(), "none");
}

TEST_F(Reservation, ClearingEndsAllAndTellsAll) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(b_, kClear, 0, kKeyA), kConflict);
  EXPECT_EQ(out(b_, kClear, 0, kKeyB), kGood);
  EXPECT_EQ(in(0, b_), squeezed("00000004 00000000"));
  EXPECT_EQ(told(a_), "06/2a/03");
  EXPECT_EQ(told(c_), "06/2a/03");
  EXPECT_EQ(told(b_), kGood);
  EXPECT_EQ(write(c_), kGood);
}

// ---- preempting -------------------------------------------------------------------------------

TEST_F(Reservation, PreemptingTheHolderTakesItsPlace) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(b_, kPreempt, kEa, kKeyB, kKeyA), kGood);
  EXPECT_EQ(in(1, b_).substr(28, 4), "00b2");
  EXPECT_EQ(told(a_), "06/2a/05");
  EXPECT_EQ(told(c_), "06/2a/04") << "the type has changed";
  EXPECT_EQ(read(a_), kConflict);
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kConflict) << "it is registered no more";
  EXPECT_EQ(in(0, b_), squeezed("00000004 00000010 00000000000000b2 00000000000000c3"));
}

TEST_F(Reservation, PreemptingOthersOnlyRemovesThem) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(b_, kPreempt, kEa, kKeyB, kKeyC), kGood);
  EXPECT_EQ(reserved(), "00a1/01");
  EXPECT_EQ(told(c_), "06/2a/05");
  EXPECT_EQ(told(a_), kGood);
  EXPECT_EQ(out(b_, kPreempt, kEa, kKeyB, 0x77), kConflict) << "nobody has that key";
  EXPECT_EQ(out(b_, kPreempt, kEa, kKeyB, 0), "05/26/00");
  EXPECT_EQ(out(c_, kPreempt, kEa, kKeyC, kKeyA), kConflict) << "not registered";
}

TEST_F(Reservation, PreemptingItselfChangesTheType) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  EXPECT_EQ(out(a_, kPreempt, kEaRo, kKeyA, kKeyA), kGood);
  EXPECT_EQ(reserved(), "00a1/06");
  EXPECT_EQ(out(a_, kPreempt, 2, kKeyA, kKeyA), "05/24/00");
}

TEST_F(Reservation, PreemptingAllRegistrants) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWeAr, kKeyA), kGood);
  EXPECT_EQ(out(b_, kPreempt, kEa, kKeyB, kKeyC), kGood) << "one of them: the rest hold on";
  EXPECT_EQ(reserved(), "0000/07");
  EXPECT_EQ(told(c_), "06/2a/05");
  EXPECT_EQ(out(b_, kPreempt, kEa, kKeyB, 0), kGood) << "all of them";
  EXPECT_EQ(in(0, b_), squeezed("00000005 00000008 00000000000000b2"));
  EXPECT_EQ(in(1, b_).substr(28, 4), "00b2");
  EXPECT_EQ(told(a_), "06/2a/05");
}

TEST_F(Reservation, PreemptAndAbortEndsTheirTasks) {
  start_with_three();
  register_all();
  EXPECT_EQ(out(a_, kReserve, kWe, kKeyA), kGood);
  device_.hang();
  auto theirs = begin(command(kWrite, 512, a_, 0), BufferList(pattern(512, 1)));
  auto third = begin(command(kRead, 0, c_, 0));
  EXPECT_EQ(out(b_, kPreemptAndAbort, kWe, kKeyB, kKeyA), kGood) << "does not wait for them";
  device_.release();
  turn();
  EXPECT_TRUE(theirs->ticket->cancelled);
  EXPECT_FALSE(third->ticket->cancelled);
  EXPECT_EQ(device_.written_blocks(), 0u);
  EXPECT_EQ(told(a_), "06/2a/05");
}

class Listener : public NexusListener {
 public:
  bool on_tasks_cleared(LunField) override { return ++told > 0; }
  int told = 0;
};

TEST_F(Reservation, PreemptAndAbortTellsTheirTransport) {
  Listener listener, other;
  NexusOptions a = nexus_options('a'), b = nexus_options('b');
  a.listener = &listener;
  b.listener = &other;
  start({}, a);
  NexusId by = log_in(b);
  EXPECT_EQ(out(nexus_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(by, kRegister, 0, 0, kKeyB), kGood);
  EXPECT_EQ(out(by, kPreempt, kWe, kKeyB, kKeyA), kGood);
  EXPECT_EQ(listener.told, 0) << "PREEMPT alone leaves tasks alone";
  told(nexus_);
  EXPECT_EQ(out(nexus_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(by, kPreemptAndAbort, kWe, kKeyB, kKeyA), kGood);
  EXPECT_EQ(listener.told, 1);
  EXPECT_EQ(other.told, 0);
}

// ---- moving -----------------------------------------------------------------------------------

class Move : public Reservation {
 protected:
  static Bytes move_list(uint64_t key, uint64_t service_key, char who, int port, int flags = 0) {
    Bytes list(24);
    store_be(&list[0], key);
    store_be(&list[8], service_key);
    list[17] = static_cast<std::byte>(flags);
    store_be(&list[18], static_cast<uint16_t>(port));
    const Bytes id = transport_id_of(std::string("iqn.x:") + who + ",i,0x800000000001");
    store_be(&list[20], static_cast<uint32_t>(id.size()));
    list.insert(list.end(), id.begin(), id.end());
    return list;
  }
};

TEST_F(Move, RegistrationAndReservationGoToAnother) {
  start_with_three();
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(a_, kMove, 0, move_list(kKeyA, kKeyB, 'b', 1)), kConflict) << "there is none";
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kGood);
  EXPECT_EQ(out(a_, kMove, 0, move_list(kKeyA, kKeyB, 'b', 1)), kGood);
  EXPECT_EQ(in(1).substr(28, 4), "00b2");
  EXPECT_EQ(read(b_), kGood);
  EXPECT_EQ(read(a_), kConflict);
  EXPECT_EQ(out(b_, kMove, 0, move_list(kKeyB, kKeyA, 'a', 1, 0x02)), kGood);
  EXPECT_EQ(in(0, a_), squeezed("00000003 00000008 00000000000000a1")) << "UNREG";
}

TEST_F(Move, OnlyToWhereThereIsSomebody) {
  start_with_three();
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kGood);
  EXPECT_EQ(out(a_, kMove, 0, move_list(kKeyA, kKeyB, 'b', 7)), "05/26/00") << "no such port";
  EXPECT_EQ(out(a_, kMove, 0, move_list(kKeyA, kKeyB, 'a', 1)), "05/26/00") << "itself";
  EXPECT_EQ(out(a_, kMove, 0, move_list(kKeyA, 0, 'b', 1)), "05/26/00");
  EXPECT_EQ(out(a_, kMove, 0, move_list(kKeyA, kKeyB, 'b', 2)), kGood);
}

// ---- what is told about them ------------------------------------------------------------------

TEST_F(Reservation, FullStatusDescribesEachNexus) {
  start_with_three();
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kGood);
  NexusId b2 = log_in(nexus_options('b', 2));
  EXPECT_EQ(out(b2, kRegister, 0, 0, kKeyB), kGood);
  EXPECT_EQ(out(b2, kReserve, kWeRo, kKeyB), kGood);
  const std::string a = hex(transport_id_of("iqn.x:a,i,0x800000000001"));
  const std::string b = hex(transport_id_of("iqn.x:b,i,0x800000000001"));
  EXPECT_EQ(in(3), squeezed("00000002 00000070"
                            "00000000000000a1 00000000 00 00 00000000 0001 00000020") +
                       a + squeezed("00000000000000b2 00000000 01 05 00000000 0002 00000020") + b);
}

TEST(TransportId, IsPaddedWithZerosAndReadBack) {
  const Bytes id = transport_id_of("iqn.x:a,i,0x800000000001");
  EXPECT_EQ(hex(id),
            squeezed("45 00 001c 69716e2e783a61 2c692c3078 383030303030303030303031 00000000"));
  const std::string longest = "iqn." + std::string(219, 'x') + ",i,0x800000000001";
  for (const std::string& name : {std::string("iqn.x,i,0x1"), longest}) {
    Bytes with_more = transport_id_of(name);
    EXPECT_EQ(with_more.size() % 4, 0u);
    with_more.push_back(std::byte{0x45});
    const std::optional<ParsedTransportId> parsed = parse_transport_id(with_more);
    ASSERT_TRUE(parsed) << name;
    EXPECT_EQ(parsed->initiator_port, name);
    EXPECT_EQ(parsed->size, with_more.size() - 1);
  }
  for (size_t size = 0; size < id.size(); ++size) {
    EXPECT_FALSE(parse_transport_id(std::span(id).first(size))) << size;
  }
}

TEST_F(Reservation, CapabilitiesAreThoseThatAreThere) {
  start_with_three();
  EXPECT_EQ(in(2), squeezed("0008 1c 80 ea01 0000"));
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA, kPersist), "05/26/00")
      << "the device has no place for it, and PTPL_C says so";
  for (int action = 4; action < 32; ++action) {
    EXPECT_EQ(sense_of(cdb({0x5e, action, 0, 0, 0, 0, 0, 0, 8}), {}, a_), "05/24/00");
  }
}

// ---- over a restart ---------------------------------------------------------------------------

TEST_F(Reservation, WithAptplTheyAreDurableBeforeGoodIsSaid) {
  device_.keep_metadata();
  start_with_three();
  EXPECT_EQ(in(2), squeezed("0008 1d 80 ea01 0000"));
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA, kPersist), kGood);
  EXPECT_EQ(in(2), squeezed("0008 1d 81 ea01 0000"));
  EXPECT_EQ(out(a_, kReserve, kEa, kKeyA), kGood);
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(out(a_, kRelease, kEa, kKeyA), kBusy);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(read(b_), kConflict) << "what could not be made durable has not happened";

  restart();
  a_ = log_in(nexus_options('a'));
  b_ = log_in(nexus_options('b'));
  EXPECT_EQ(read(b_), kConflict);
  EXPECT_EQ(read(a_), kGood);
  nexus_ = a_;
  EXPECT_EQ(in(0), squeezed("00000000 00000008 00000000000000a1"));
  EXPECT_EQ(out(a_, kRegister, 0, kKeyA, kKeyA, 0), kGood) << "without APTPL again";
  EXPECT_TRUE(device_.metadata(MetadataKey::reservations).empty());
}

TEST_F(Reservation, NothingIsServedBeforeTheyAreKnown) {
  device_.keep_metadata();
  device_.fail_with(ErrorCode::unavailable);
  start_with_three();
  EXPECT_EQ(read(a_), kBusy);
  EXPECT_EQ(sense_of(kInquiry), kGood) << "it depends on none";
  device_.fail_with(std::nullopt);
  EXPECT_EQ(read(a_), kGood);
}

TEST(ReservationRecord, IsReadBackAsItWas) {
  Reservations reservations;
  const uint16_t ports[] = {1, 2};
  ReserveOut out;
  out.persist = true;
  for (uint64_t key = 1; key <= 3; ++key) {
    out.service_key = key;
    EXPECT_EQ(reservations.apply(out, {"iqn.x:" + std::to_string(key), 1}, ports).status,
              Status::good);
  }
  out = {.action = ReserveOut::Action::reserve, .scope_and_type = 7, .key = 2};
  EXPECT_EQ(reservations.apply(out, {"iqn.x:2", 1}, ports).status, Status::good);
  const Bytes record = reservations.encode();
  std::optional<Reservations> again = Reservations::decode(record);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->registrations(), reservations.registrations());
  EXPECT_EQ(again->reservation(), reservations.reservation());
  EXPECT_TRUE(again->persists());
  for (size_t size = 1; size < record.size(); ++size) {
    EXPECT_FALSE(Reservations::decode(std::span(record).first(size))) << size;
  }
}

// ---- RESERVE and RELEASE of SPC-2 -------------------------------------------------------------

class Reserve6 : public Reservation {
 protected:
  std::string reserve(NexusId nexus) { return sense_of(cdb({0x16}), {}, nexus); }
  std::string release(NexusId nexus) { return sense_of(cdb({0x17}), {}, nexus); }
};

TEST_F(Reserve6, TheUnitIsOnesUntilItIsReleased) {
  start_with_three();
  EXPECT_EQ(reserve(a_), kGood);
  EXPECT_EQ(reserve(a_), kGood);
  EXPECT_EQ(sense_of(cdb({0x56}), {}, b_), kConflict) << "RESERVE(10) is the same";
  EXPECT_EQ(read(b_), kConflict);
  EXPECT_EQ(told(b_), kConflict) << "TEST UNIT READY conflicts here";
  EXPECT_EQ(sense_of(kInquiry, {}, b_), kGood);
  EXPECT_EQ(release(b_), kGood) << "nothing of its own";
  EXPECT_EQ(read(b_), kConflict);
  EXPECT_EQ(release(a_), kGood);
  EXPECT_EQ(write(b_), kGood);
}

TEST_F(Reserve6, EndsWithResetLogoutAndNexusLoss) {
  start_with_three();
  EXPECT_EQ(reserve(a_), kGood);
  router_.reset(lun_to_field(0), b_);
  for (NexusId nexus : {a_, b_, c_}) EXPECT_EQ(told(nexus), "06/29/03");
  EXPECT_EQ(read(b_), kGood);
  EXPECT_EQ(reserve(a_), kGood);
  router_.reset_nexus(a_);
  EXPECT_EQ(read(b_), kGood);
  EXPECT_EQ(told(a_), "06/29/07");
  EXPECT_EQ(reserve(a_), kGood);
  router_.detach(a_);
  EXPECT_EQ(read(b_), kGood);
}

TEST_F(Reserve6, AndPersistentReservationsKeepOutOfEachOthersWay) {
  start_with_three();
  EXPECT_EQ(reserve(a_), kGood);
  EXPECT_EQ(out(a_, kRegister, 0, 0, kKeyA), kConflict);
  EXPECT_EQ(out(b_, kRegister, 0, 0, kKeyB), kConflict);
  EXPECT_EQ(release(a_), kGood);
  EXPECT_EQ(out(b_, kRegister, 0, 0, kKeyB), kGood);
  EXPECT_EQ(reserve(a_), kConflict) << "somebody is registered";
  EXPECT_EQ(reserve(b_), kConflict) << "registered, but nothing is reserved";
  EXPECT_EQ(out(b_, kReserve, kWe, kKeyB), kGood);
  EXPECT_EQ(reserve(b_), kGood) << "it may do all anyway (CRH)";
  EXPECT_EQ(read(a_), kGood) << "and that has reserved nothing more";
}

TEST_F(Reserve6, OfExtentsOrForOthersIsRefused) {
  start_with_three();
  EXPECT_EQ(sense_of(cdb({0x16, 0x01}), {}, a_), "05/24/00");
  EXPECT_EQ(sense_of(cdb({0x16, 0x10}), {}, a_), "05/24/00");
}

}  // namespace
}  // namespace swiftness::scsi::test
