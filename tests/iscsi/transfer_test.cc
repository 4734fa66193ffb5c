#include "target/iscsi/transfer.h"

#include <gtest/gtest.h>

namespace swiftness::iscsi {
namespace {

using Verdict = DataOutPlan::Verdict;

SessionParameters parameters() {
  SessionParameters p;
  p.initial_r2t = false;
  p.immediate_data = true;
  p.first_burst = 4096;
  p.max_burst = 8192;
  p.max_outstanding_r2t = 2;
  p.initiator_max_recv = 4096;
  return p;
}

DataOut data(uint32_t tag, uint32_t data_sn, uint32_t offset, uint32_t length, bool final) {
  DataOut pdu;
  pdu.target_transfer_tag = tag;
  pdu.data_sn = data_sn;
  pdu.buffer_offset = offset;
  pdu.data_segment_length = length;
  pdu.flags = final ? kFinal : 0;
  return pdu;
}

TEST(DataOutPlan, ImmediateDataAlone) {
  DataOutPlan plan(4096, 4096, parameters());
  EXPECT_EQ(plan.begin(4096, true), Verdict::accept);
  EXPECT_EQ(plan.unsolicited_room(), 4096u);
  EXPECT_TRUE(plan.complete());
  EXPECT_FALSE(plan.next_r2t(1));
}

TEST(DataOutPlan, ImmediateUnsolicitedAndSolicited) {
  DataOutPlan plan(30000, 30000, parameters());
  EXPECT_EQ(plan.begin(1000, false), Verdict::accept);
  EXPECT_EQ(plan.unsolicited_room(), 4096u);
  EXPECT_FALSE(plan.next_r2t(1)) << "not while unsolicited data is under way";
  EXPECT_EQ(plan.data_out(data(kReservedTag, 0, 1000, 1000, false)), Verdict::accept);
  EXPECT_EQ(plan.data_out(data(kReservedTag, 1, 2000, 2096, true)), Verdict::accept);
  auto first = plan.next_r2t(10);
  auto second = plan.next_r2t(11);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(plan.next_r2t(12)) << "MaxOutstandingR2T";
  EXPECT_EQ(first->offset, 4096u);
  EXPECT_EQ(first->length, 8192u);
  EXPECT_EQ(second->offset, 12288u);
  EXPECT_EQ(second->r2t_sn, 1u);
  EXPECT_EQ(plan.data_out(data(10, 0, 4096, 8192, true)), Verdict::accept);
  auto third = plan.next_r2t(12);
  ASSERT_TRUE(third);
  EXPECT_EQ(plan.data_out(data(11, 0, 12288, 4096, false)), Verdict::accept);
  EXPECT_EQ(plan.data_out(data(11, 1, 16384, 4096, true)), Verdict::accept);
  EXPECT_EQ(plan.data_out(data(12, 0, 20480, 8192, true)), Verdict::accept);
  auto last = plan.next_r2t(13);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->length, 30000u - 28672u);
  EXPECT_FALSE(plan.complete());
  EXPECT_EQ(plan.data_out(data(13, 0, 28672, last->length, true)), Verdict::accept);
  EXPECT_TRUE(plan.complete());
  EXPECT_EQ(plan.data_out(data(13, 0, 28672, last->length, true)), Verdict::drop);
}

TEST(DataOutPlan, RequestsTheRestOfAnUnsolicitedBurstThatEndsEarly) {
  DataOutPlan plan(4096, 4096, parameters());
  ASSERT_EQ(plan.begin(0, false), Verdict::accept);
  EXPECT_EQ(plan.data_out(data(kReservedTag, 0, 0, 100, true)), Verdict::accept);
  auto request = plan.next_r2t(1);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->offset, 100u);
  EXPECT_EQ(request->length, 3996u);
}

TEST(DataOutPlan, TakesOnlyWhatTheCommandWants) {
  DataOutPlan plan(10000, 512, parameters());
  EXPECT_EQ(plan.begin(4096, true), Verdict::accept);
  EXPECT_EQ(plan.unsolicited_room(), 512u);
  EXPECT_TRUE(plan.complete());
  EXPECT_FALSE(plan.next_r2t(1));
}

TEST(DataOutPlan, RefusesWhatWasNotNegotiated) {
  SessionParameters p = parameters();
  p.immediate_data = false;
  EXPECT_EQ(DataOutPlan(4096, 4096, p).begin(1, true), Verdict::unexpected);
  p = parameters();
  p.initial_r2t = true;
  EXPECT_EQ(DataOutPlan(4096, 4096, p).begin(0, false), Verdict::unexpected);
  EXPECT_EQ(DataOutPlan(65536, 65536, parameters()).begin(4097, true), Verdict::amount);
  EXPECT_EQ(DataOutPlan(100, 100, parameters()).begin(101, true), Verdict::amount);
  EXPECT_EQ(DataOutPlan(0, 0, parameters()).begin(1, true), Verdict::amount);
}

TEST(DataOutPlan, RefusesHostileDataOut) {
  struct Case {
    const char* what;
    DataOut pdu;
    Verdict verdict;
  };
  const Case cases[] = {
      {"wrong DataSN", data(10, 1, 4096, 4096, false), Verdict::amount},
      {"offset before the burst", data(10, 0, 0, 4096, false), Verdict::amount},
      {"gap", data(10, 0, 4097, 4096, false), Verdict::amount},
      {"offset near 2^32", data(10, 0, 0xffffffff, 4096, false), Verdict::amount},
      {"beyond the burst", data(10, 0, 4096, 8193, true), Verdict::amount},
      {"final too early", data(10, 0, 4096, 4096, true), Verdict::amount},
      {"no final at the end", data(10, 0, 4096, 8192, false), Verdict::amount},
      {"the younger R2T first", data(11, 0, 12288, 8192, true), Verdict::amount},
      {"data of the older R2T by the tag of the younger", data(11, 0, 4096, 4096, false),
       Verdict::amount},
      {"a tag that never was", data(99, 0, 4096, 4096, false), Verdict::drop},
      {"unsolicited after its end", data(kReservedTag, 0, 4096, 10, true), Verdict::unexpected},
  };
  for (const Case& c : cases) {
    DataOutPlan plan(30000, 30000, parameters());
    ASSERT_EQ(plan.begin(4096, true), Verdict::accept);
    ASSERT_TRUE(plan.next_r2t(10) && plan.next_r2t(11));
    EXPECT_EQ(plan.data_out(c.pdu), c.verdict) << c.what;
    EXPECT_FALSE(plan.complete()) << c.what;
  }
}

TEST(DataOutPlan, UnsolicitedDataEndsWithFirstBurstLength) {
  DataOutPlan plan(30000, 30000, parameters());
  ASSERT_EQ(plan.begin(4000, false), Verdict::accept);
  EXPECT_EQ(plan.data_out(data(kReservedTag, 0, 4000, 97, true)), Verdict::amount);
  EXPECT_EQ(plan.data_out(data(kReservedTag, 0, 4000, 96, true)), Verdict::accept);
}

TEST(DataInPlan, CutsByPduAndByBurst) {
  SessionParameters p = parameters();
  p.initiator_max_recv = 3000;
  p.max_burst = 8192;
  DataInPlan plan(10000, p);
  uint32_t expected[][4] = {
      {0, 3000, 0, 0}, {3000, 3000, 0, 0}, {6000, 2192, 1, 0}, {8192, 1808, 1, 1}};
  uint32_t data_sn = 0;
  for (auto& [offset, length, final, last] : expected) {
    ASSERT_FALSE(plan.done());
    DataInPlan::Piece piece = plan.next();
    EXPECT_EQ(piece.data_sn, data_sn++);
    EXPECT_EQ(piece.offset, offset);
    EXPECT_EQ(piece.length, length);
    EXPECT_EQ(piece.final, final != 0);
    EXPECT_EQ(piece.last, last != 0);
  }
  EXPECT_TRUE(plan.done());
  EXPECT_TRUE(DataInPlan(0, p).done());
}

TEST(Residual, OverUnderExact) {
  EXPECT_EQ(residual_of(512, 512), (Residual{0, 0}));
  EXPECT_EQ(residual_of(512, 10000), (Residual{ScsiResponse::kUnderflow, 9488}));
  EXPECT_EQ(residual_of(1024, 512), (Residual{ScsiResponse::kOverflow, 512}));
  EXPECT_EQ(residual_of(0, 0), (Residual{0, 0}));
  EXPECT_EQ(residual_of(uint64_t{1} << 40, 1), (Residual{ScsiResponse::kOverflow, 0xffffffff}));
}

}  // namespace
}  // namespace swiftness::iscsi
