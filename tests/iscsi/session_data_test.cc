// Data through a whole session: immediate, unsolicited, solicited, Data-In, residuals, and Data-Out
// that lies.
#include <gtest/gtest.h>

#include "target/iscsi/negotiation.h"
#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;

LoginOptions with_keys(KeyList keys) {
  LoginOptions options;
  options.keys = std::move(keys);
  return options;
}

TEST(Data, WritesAndReadsBackInEveryNegotiatedWay) {
  TestTarget target;
  for (const char* initial_r2t : {"Yes", "No"}) {
    for (const char* immediate : {"Yes", "No"}) {
      for (const char* max_recv : {"512", "65536"}) {
        auto initiator = logged_in(target, with_keys({{"InitialR2T", initial_r2t},
                                                      {"ImmediateData", immediate},
                                                      {"MaxRecvDataSegmentLength", max_recv},
                                                      {"FirstBurstLength", "8192"},
                                                      {"MaxBurstLength", "16384"},
                                                      {"MaxOutstandingR2T", "3"}}));
        for (size_t size : {512u, 4096u, 8192u, 65536u, 100u * 512u}) {
          Octets data = pattern(size, static_cast<uint32_t>(size));
          auto written = initiator->run(write10(10, data));
          ASSERT_TRUE(written);
          ASSERT_EQ(written->status, 0);
          EXPECT_EQ(written->flags, 0);
          auto read = initiator->run(read10(10, static_cast<uint16_t>(size / 512)));
          ASSERT_TRUE(read);
          EXPECT_EQ(read->status, 0);
          EXPECT_TRUE(read->collapsed);
          EXPECT_EQ(read->data, data) << initial_r2t << immediate << max_recv << size;
        }
      }
    }
  }
}

TEST(Data, UsesR2tOnlyWhereItMust) {
  TestTarget target;
  auto r2ts = [&](KeyList keys, size_t size) {
    auto initiator = logged_in(target, with_keys(std::move(keys)));
    return initiator->run(write10(0, pattern(size, 1)))->r2ts;
  };
  KeyList common{{"FirstBurstLength", "8192"}, {"MaxBurstLength", "16384"}};
  auto with = [&](const char* r2t, const char* immediate) {
    KeyList keys = common;
    keys.emplace_back("InitialR2T", r2t);
    keys.emplace_back("ImmediateData", immediate);
    return keys;
  };
  EXPECT_EQ(r2ts(with("No", "Yes"), 8192), 0u);
  EXPECT_EQ(r2ts(with("No", "No"), 8192), 0u) << "unsolicited Data-Out";
  EXPECT_EQ(r2ts(with("Yes", "Yes"), 8192), 0u);
  EXPECT_EQ(r2ts(with("Yes", "No"), 8192), 1u);
  EXPECT_EQ(r2ts(with("No", "Yes"), 8192 + 2 * 16384), 2u);
}

TEST(Data, ManyCommandsAtOnceKeepTheirData) {
  TestTarget target;
  auto initiator = logged_in(target);
  std::map<uint32_t, uint32_t> lbas;
  for (uint32_t i = 0; i < 32; ++i) {
    lbas[initiator->queue_command(write10(i * 8, pattern(4096, i)))] = i;
  }
  for (uint32_t i = 0; i < 32; ++i) {
    auto answer = initiator->complete_any();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 0);
  }
  for (uint32_t i = 0; i < 32; ++i) lbas[initiator->queue_command(read10(i * 8, 8))] = i;
  for (uint32_t i = 0; i < 32; ++i) {
    auto answer = initiator->complete_any();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->data, pattern(4096, lbas[answer->tag]));
  }
}

TEST(Data, DigestsInBothDirections) {
  TestTarget target;
  LoginOptions options;
  options.header_digest = options.data_digest = true;
  auto initiator = logged_in(target, options);
  Octets data = pattern(300 * 512, 5);
  EXPECT_EQ(initiator->run(write10(0, data))->status, 0);
  EXPECT_EQ(initiator->run(read10(0, 300))->data, data);
}

TEST(Data, ResidualsOfReads) {
  TestTarget target;
  auto initiator = logged_in(target);
  auto read = [&](uint32_t expected) {
    ScsiRequest request = read10(0, 1);
    request.expected = expected;
    return *initiator->run(request);
  };
  EXPECT_EQ(read(512).flags, 0);
  ScsiAnswer less = read(200);
  EXPECT_EQ(less.flags, ScsiResponse::kOverflow);
  EXPECT_EQ(less.residual, 312u);
  EXPECT_EQ(less.data.size(), 200u);
  ScsiAnswer more = read(10000);
  EXPECT_EQ(more.flags, ScsiResponse::kUnderflow);
  EXPECT_EQ(more.residual, 9488u);
  EXPECT_EQ(more.data.size(), 512u);
  ScsiAnswer none = read(0);
  EXPECT_EQ(none.status, 0);
  EXPECT_EQ(none.flags, ScsiResponse::kOverflow);
  EXPECT_EQ(none.residual, 512u);
  EXPECT_FALSE(none.collapsed);
}

TEST(Data, ResidualsOfWrites) {
  TestTarget target;
  auto initiator = logged_in(target);
  ASSERT_EQ(initiator->run(write10(0, pattern(1024, 1)))->status, 0);
  ScsiRequest more = write10(0, pattern(4096, 2));  // the CDB writes one block of it
  more.cdb[8] = 1;
  auto answer = initiator->run(more);
  EXPECT_EQ(answer->status, 0);
  EXPECT_EQ(answer->flags, ScsiResponse::kUnderflow);
  EXPECT_EQ(answer->residual, 3584u);
  Octets disk = initiator->run(read10(0, 2))->data;
  Octets expected = pattern(4096, 2);
  EXPECT_TRUE(std::equal(disk.begin(), disk.begin() + 512, expected.begin()));
  Octets before = pattern(1024, 1);
  EXPECT_TRUE(std::equal(disk.begin() + 512, disk.end(), before.begin() + 512));

  ScsiRequest less = write10(0, pattern(512, 3));  // the CDB wants two blocks
  less.cdb[8] = 2;
  answer = initiator->run(less);
  EXPECT_EQ(answer->status, 0);
  EXPECT_EQ(answer->flags, ScsiResponse::kOverflow);
  EXPECT_EQ(answer->residual, 512u);
  disk = initiator->run(read10(0, 2))->data;
  EXPECT_EQ(Octets(disk.begin(), disk.begin() + 512), pattern(512, 3));
  EXPECT_TRUE(std::equal(disk.begin() + 512, disk.end(), before.begin() + 512));

  less.data_out.resize(200);  // not even one block
  answer = initiator->run(less);
  EXPECT_EQ(answer->status, 2);
  EXPECT_EQ(answer->flags, ScsiResponse::kOverflow);
  EXPECT_EQ(answer->residual, 824u);
}

TEST(Data, WrongDirectionMovesNothing) {
  TestTarget target;
  auto initiator = logged_in(target);
  ScsiRequest read = read10(0, 1);
  read.read_length = 0;
  read.data_out = pattern(512, 1);
  auto answer = initiator->run(read);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 0);
  EXPECT_TRUE(answer->data.empty());
  EXPECT_EQ(answer->flags, ScsiResponse::kOverflow);
  EXPECT_EQ(answer->residual, 512u);
  ScsiRequest write = write10(0, {});
  write.cdb[8] = 1;
  write.read_length = 512;
  answer = initiator->run(write);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 2);
  EXPECT_EQ(answer->sense_key(), 5);
  EXPECT_EQ(answer->flags, ScsiResponse::kUnderflow);
  EXPECT_EQ(answer->residual, 512u);
  EXPECT_TRUE(answer->data.empty());
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0);
}

// Commands whose Data-Out breaks the rules end alone, with the sense of RFC 7143 11.4.7.2; the
// session and its other commands go on.
TEST(Data, HostileDataOutEndsItsCommandOnly) {
  TestTarget target;
  auto initiator = logged_in(target, with_keys({{"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  initiator->answers_r2ts = false;
  struct Case {
    const char* what;
    uint32_t data_sn, offset, length;
    bool final, solicited;
    uint8_t ascq;
  };
  const Case cases[] = {
      {"DataSN", 7, 0, 4096, true, true, 0x0d},
      {"offset beyond", 0, 8192, 4096, true, true, 0x0d},
      {"offset near the end of numbers", 0, 0xfffffff0, 4096, true, true, 0x0d},
      {"too long", 0, 0, 8192, true, true, 0x0d},
      {"final too early", 0, 0, 512, true, true, 0x0d},
      {"no final", 0, 0, 4096, false, true, 0x0d},
      {"unsolicited", 0, 0, 4096, true, false, 0x0c},
  };
  for (const Case& c : cases) {
    uint32_t tag = initiator->queue_command(write10(0, pattern(4096, 9)));
    auto pdu = initiator->receive_kind(Opcode::r2t);
    ASSERT_TRUE(pdu) << c.what;
    DataOut out;
    out.initiator_task_tag = tag;
    if (c.solicited) out.target_transfer_tag = pdu->as<R2t>().target_transfer_tag;
    out.data_sn = c.data_sn;
    out.buffer_offset = c.offset;
    out.flags = c.final ? kFinal : 0;
    initiator->queue(out, pattern(c.length, 1));
    auto answer = initiator->complete(tag);
    ASSERT_TRUE(answer) << c.what;
    EXPECT_EQ(answer->status, 2) << c.what;
    EXPECT_EQ(answer->sense_key(), 0x0b) << c.what;
    EXPECT_EQ(answer->asc(), (std::pair<uint8_t, uint8_t>{0x0c, c.ascq})) << c.what;
    initiator->queue(out, pattern(c.length, 1));  // late data for a dead tag is dropped
    EXPECT_TRUE(initiator->nop("still here")) << c.what;
  }
  EXPECT_EQ(initiator->run(read10(0, 8))->data, Octets(4096)) << "nothing was written";
}

TEST(Data, UnsolicitedDataThatWasNotNegotiatedIsRefused) {
  TestTarget target;
  auto initiator = logged_in(target, with_keys({{"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  initiator->immediate_data = true;  // against the agreement
  auto answer = initiator->run(write10(0, pattern(512, 1)));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->asc(), (std::pair<uint8_t, uint8_t>{0x0c, 0x0c}));
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0);
}

TEST(Data, AsManyR2tsAreOutstandingAsWereAgreedOn) {
  TestTarget target;
  LoginOptions options;
  options.keys = {{"InitialR2T", "Yes"},
                  {"ImmediateData", "No"},
                  {"MaxBurstLength", "8192"},
                  {"MaxOutstandingR2T", "3"}};
  auto initiator = logged_in(target, options);
  initiator->answers_r2ts = false;
  const Octets data = pattern(8 * 8192, 1);
  const uint32_t tag = initiator->queue_command(write10(0, data));
  std::deque<R2t> outstanding;
  uint32_t asked_for = 0;
  for (uint32_t answered = 0; answered < 8; ++answered) {
    const uint32_t due = std::min(3u, 8 - answered);
    while (outstanding.size() < due) {
      auto r2t = initiator->receive_kind(Opcode::r2t);
      ASSERT_TRUE(r2t);
      outstanding.push_back(r2t->as<R2t>());
      EXPECT_EQ(outstanding.back().r2t_sn, asked_for);
      EXPECT_EQ(outstanding.back().buffer_offset, 8192 * asked_for++);
    }
    ASSERT_TRUE(initiator->nop("an R2T before this would be missed below"));
    DataOut pdu;
    pdu.flags = kFinal;
    pdu.initiator_task_tag = tag;
    pdu.target_transfer_tag = outstanding.front().target_transfer_tag;
    pdu.buffer_offset = outstanding.front().buffer_offset;
    initiator->queue(pdu, std::span(data).subspan(pdu.buffer_offset, 8192));
    outstanding.pop_front();
  }
  auto answer = initiator->complete(tag);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 0);
  EXPECT_EQ(answer->r2ts, 8u);
  EXPECT_EQ(answer->exp_data_sn, 8u) << "11.4.8";
  EXPECT_EQ(initiator->run(read10(0, 128))->data, data);
}

TEST(Data, AnR2tNamesTheLogicalUnitOfItsCommand) {
  constexpr uint64_t kLun3 = 0x0003000000000000;
  TestTarget target;
  target.add_unit(3);
  auto initiator = logged_in(target, with_keys({{"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  initiator->answers_r2ts = false;
  ScsiRequest write = write10(0, pattern(512, 1));
  write.lun = kLun3;
  EXPECT_EQ(initiator->run(write)->asc(), std::pair(uint8_t{0x29}, uint8_t{0x00}));
  initiator->queue_command(write);
  auto r2t = initiator->receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  EXPECT_EQ(r2t->as<R2t>().lun, kLun3);
}

TEST(Data, IsCounted) {
  TestTarget target;
  auto initiator = logged_in(target);
  EXPECT_EQ(initiator->run(write10(0, pattern(8192, 1)))->status, 0);
  EXPECT_EQ(initiator->run(read10(0, 8))->status, 0);
  const ServerCounts counts = target.counts();
  EXPECT_EQ(counts.commands, 3u) << "with the one that told of the unit attention";
  EXPECT_EQ(counts.bytes_written, 8192u);
  EXPECT_EQ(counts.bytes_read, 4096u);
  const SessionInfo session = target.sessions().at(0);
  EXPECT_EQ(session.commands, 3u);
  EXPECT_EQ(session.bytes_written, 8192u);
  EXPECT_EQ(session.bytes_read, 4096u);
}

// A small command would always find room before a large one that waits.
TEST(Data, NoCommandOvertakesOneThatWaitsForTheBudget) {
  IscsiLimits limits;
  limits.session_memory = 64 * 1024;
  TestTarget target(limits);
  auto initiator = logged_in(target, with_keys({{"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  initiator->answers_r2ts = false;
  const uint32_t first = initiator->queue_command(write10(0, pattern(49152, 1)));
  const uint32_t large = initiator->queue_command(write10(100, pattern(65536, 2)));
  initiator->queue_command(write10(300, pattern(8192, 3)));
  auto r2t = initiator->receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  EXPECT_EQ(r2t->header.initiator_task_tag, first);
  EXPECT_FALSE(initiator->receive_kind(Opcode::r2t, RawInitiator::Timeout(100)));
  DataOut data;
  data.flags = kFinal;
  data.initiator_task_tag = first;
  data.target_transfer_tag = r2t->as<R2t>().target_transfer_tag;
  initiator->queue(data, pattern(49152, 1));
  r2t = initiator->receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  EXPECT_EQ(r2t->header.initiator_task_tag, large);
}

TEST(Data, SolicitedDataWaitsForTheBudget) {
  IscsiLimits limits;
  limits.session_memory = 64 * 1024;
  TestTarget target(limits);
  auto initiator = logged_in(target, with_keys({{"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  initiator->answers_r2ts = false;
  for (int i = 0; i < 4; ++i) initiator->queue_command(write10(0, pattern(32768, 1)));
  int r2ts = 0;
  while (initiator->receive(RawInitiator::Timeout(300))) ++r2ts;
  EXPECT_EQ(r2ts, 2) << "two commands of 32 KiB fit into 64 KiB";
  EXPECT_TRUE(initiator->nop("answered at once"));
}

TEST(Data, TheBudgetServesEveryoneInTurn) {
  IscsiLimits limits;
  limits.session_memory = 64 * 1024;
  TestTarget target(limits);
  auto initiator = logged_in(target, with_keys({{"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  std::map<uint32_t, uint32_t> seeds;
  for (uint32_t i = 0; i < 16; ++i) {
    seeds[initiator->queue_command(write10(i * 100, pattern(40960, i)))] = i;
  }
  for (int i = 0; i < 16; ++i) {
    auto answer = initiator->complete_any();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->status, 0);
  }
  for (uint32_t i = 0; i < 16; ++i) seeds[initiator->queue_command(read10(i * 100, 80))] = i;
  for (int i = 0; i < 16; ++i) {
    auto answer = initiator->complete_any();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->data, pattern(40960, seeds[answer->tag]));
  }
}

}  // namespace
}  // namespace swiftness::test
