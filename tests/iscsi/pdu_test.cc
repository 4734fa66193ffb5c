// Golden bytes: our structs against PDUs written out by hand from RFC 7143 clause 11.
#include "target/iscsi/pdu.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace swiftness::iscsi {
namespace {

template <class Pdu>
std::string hex(const Pdu& pdu) {
  std::string out;
  std::array<uint8_t, 48> bytes = std::bit_cast<std::array<uint8_t, 48>>(pdu);
  for (size_t i = 0; i < bytes.size(); ++i) {
    static constexpr char kDigits[] = "0123456789abcdef";
    if (i > 0 && i % 4 == 0) out += ' ';
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

TEST(Pdu, ScsiCommandGolden) {
  ScsiCommand pdu;
  pdu.flags = kFinal | ScsiCommand::kWrite | 1;
  pdu.data_segment_length = 0x001000;
  pdu.lun = 0x0001000000000000;
  pdu.initiator_task_tag = 0x11223344;
  pdu.expected_data_transfer_length = 4096;
  pdu.cmd_sn = 7;
  pdu.exp_stat_sn = 8;
  pdu.cdb = {0x2a, 0, 0, 0, 0, 5, 0, 0, 8, 0};
  EXPECT_EQ(hex(pdu),
            "01a10000 00001000 00010000 00000000 11223344 00001000 00000007 00000008 "
            "2a000000 00050000 08000000 00000000");
}

TEST(Pdu, R2tHasByteOneAtEighty) {
  R2t pdu;
  pdu.initiator_task_tag = 1;
  pdu.target_transfer_tag = 2;
  pdu.stat_sn = 3;
  pdu.exp_cmd_sn = 4;
  pdu.max_cmd_sn = 5;
  pdu.r2t_sn = 6;
  pdu.buffer_offset = 0x10000;
  pdu.desired_data_transfer_length = 0x40000;
  EXPECT_EQ(hex(pdu),
            "31800000 00000000 00000000 00000000 00000001 00000002 00000003 00000004 "
            "00000005 00000006 00010000 00040000");
}

TEST(Pdu, TaskManagementResponseGolden) {
  TaskManagementResponse pdu;
  pdu.response = 7;
  pdu.additional_response_information = {0x16, 0x29, 0x03};
  pdu.initiator_task_tag = 1;
  pdu.stat_sn = 2;
  pdu.exp_cmd_sn = 3;
  pdu.max_cmd_sn = 4;
  EXPECT_EQ(hex(pdu),
            "22800700 00000000 16290300 00000000 00000001 00000000 00000002 00000003 "
            "00000004 00000000 00000000 00000000");
}

TEST(Pdu, LoginResponseGolden) {
  LoginResponse pdu;
  pdu.flags = 0x87;
  pdu.isid = {0x40, 0x00, 0x01, 0x37, 0x12, 0x34};
  pdu.tsih = 0x0102;
  pdu.stat_sn = 1;
  pdu.status_class = 2;
  pdu.status_detail = 3;
  EXPECT_EQ(hex(pdu),
            "23870000 00000000 40000137 12340102 00000000 00000000 00000001 00000000 "
            "00000000 02030000 00000000 00000000");
}

TEST(Pdu, DataInAndScsiResponseGolden) {
  DataIn in;
  in.flags = kFinal | DataIn::kStatus | ScsiResponse::kUnderflow;
  in.data_segment_length = 36;
  in.initiator_task_tag = 9;
  in.data_sn = 1;
  in.buffer_offset = 8192;
  in.residual_count = 220;
  EXPECT_EQ(hex(in),
            "25830000 00000024 00000000 00000000 00000009 ffffffff 00000000 00000000 "
            "00000000 00000001 00002000 000000dc");
  ScsiResponse response;
  response.status = 2;
  response.initiator_task_tag = 9;
  response.exp_data_sn = 3;
  response.residual_count = 512;
  EXPECT_EQ(hex(response),
            "21800002 00000000 00000000 00000000 00000009 00000000 00000000 00000000 "
            "00000000 00000003 00000000 00000200");
}

TEST(Pdu, SharedNumbersAreAtTheSamePlace) {
  auto offset = [](auto pdu, auto member) {
    return reinterpret_cast<char*>(&(pdu.*member)) - reinterpret_cast<char*>(&pdu);
  };
  EXPECT_EQ(offset(NopOut{}, &NopOut::cmd_sn), 24);
  EXPECT_EQ(offset(ScsiCommand{}, &ScsiCommand::cmd_sn), 24);
  EXPECT_EQ(offset(TaskManagementRequest{}, &TaskManagementRequest::cmd_sn), 24);
  EXPECT_EQ(offset(TextRequest{}, &TextRequest::cmd_sn), 24);
  EXPECT_EQ(offset(LogoutRequest{}, &LogoutRequest::cmd_sn), 24);
  EXPECT_EQ(offset(LoginRequest{}, &LoginRequest::cmd_sn), 24);
  EXPECT_EQ(offset(AsyncMessage{}, &AsyncMessage::async_event), 36);
  EXPECT_EQ(offset(DataOut{}, &DataOut::buffer_offset), 40);
}

}  // namespace
}  // namespace swiftness::iscsi
